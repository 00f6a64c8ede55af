"""Where things are in a text that is being edited, in every editor's units."""

from __future__ import annotations

import random

import pytest
from lsp_editor import CODECS, UNIT_BYTES, Encoding, document, lines_of
from lsprotocol import types

from lsp.spans import Edit, Span, smallest_edit

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
TEXT = "a\r\n\fé中\u2028b\r🎉x\n\nlast🎈"


def slow_position(text: str, offset: int, encoding: Encoding) -> tuple[int, int]:
    """Character by character."""
    line, begin, i = 0, 0, 0
    while i < offset:
        if text[i : i + 2] == "\r\n" and i + 2 <= offset:
            line, begin, i = line + 1, i + 2, i + 2
        elif text[i] in "\r\n" and text[i : i + 2] != "\r\n":
            line, begin, i = line + 1, i + 1, i + 1
        else:
            i += 1
    units = len(text[begin:offset].encode(CODECS[encoding])) // UNIT_BYTES[encoding]
    return line, units


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_offsets_and_positions_turn_into_each_other(encoding: Encoding) -> None:
    lines = lines_of(TEXT, encoding)

    for offset in range(len(TEXT) + 1):
        if TEXT[offset - 1 : offset + 1] == "\r\n":
            continue  # no position names the place between them
        position = lines.position(offset)
        assert (position.line, position.character) == slow_position(TEXT, offset, encoding)
        assert lines.offset(position) == offset


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_positions_behind_an_end_are_that_end(encoding: Encoding) -> None:
    lines = lines_of("é\n🎉", encoding)

    assert lines.offset(types.Position(0, 99)) == 1
    assert lines.offset(types.Position(1, 99)) == 3
    assert lines.offset(types.Position(99, 0)) == 3


def test_a_position_inside_a_surrogate_pair_is_before_it() -> None:
    assert lines_of("🎉x", "utf-16").offset(types.Position(0, 1)) == 0


def test_random_edits_give_the_editors_text_and_can_be_replayed() -> None:
    chance = random.Random(7)
    text = TEXT
    opened = document(text)
    replayed = text
    for _ in range(200):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.choice([0, 0, 1, 3]))
        new = "".join(chance.choices("ab\n🎉é", k=chance.randint(0, 3)))
        place = opened.places.range(start, end)
        start, end = opened.places.span(place)
        opened.apply_change(types.TextDocumentContentChangePartial(range=place, text=new))
        text = text[:start] + new + text[end:]

        for edit in opened.take_edits():
            replayed = replayed[: edit.start] + edit.text + replayed[edit.end :]
        assert (opened.text, replayed) == (text, text)


def test_a_whole_new_text_is_one_small_edit() -> None:
    opened = document("one\ntwo\nthree")

    opened.apply_change(types.TextDocumentContentChangeWholeDocument("one\n2\nthree"))

    assert opened.take_edits() == [Edit(4, 7, "2")]
    assert opened.take_edits() == []


def test_a_span_moves_with_the_text_and_ends_with_an_edit_inside() -> None:
    span = Span(5, 8)

    assert span.after(Edit(0, 2, "xyz")) == Span(6, 9)
    assert span.after(Edit(5, 5, "ab")) == Span(7, 10)
    assert span.after(Edit(8, 8, "ab")) == span
    assert span.after(Edit(6, 6, "a")) is None
    assert span.after(Edit(0, 6, "")) is None


def test_the_smallest_edit_leaves_out_what_both_share() -> None:
    assert smallest_edit(10, "def mu", "def mul(a)") == Edit(16, 16, "l(a)")
    assert smallest_edit(0, "aa", "aaa") == Edit(2, 2, "a")
    assert smallest_edit(0, "same", "same") == Edit(4, 4, "")
