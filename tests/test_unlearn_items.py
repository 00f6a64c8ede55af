"""Ledger items as token sequences: where the blame falls, and what shared contexts share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import FILES
from unlearn_scene import load_tiny, plain_item, without_replacement

from server.engine.load import LoadedModel
from server.engine.prompt import build_prompt, prompt_ids
from unlearn.items import (
    REFUSALS,
    Example,
    blamed_positions,
    context_keys,
    cursors,
    examples,
    merge,
    typed_on,
)
from unlearn.keepsake import Keepsake, Kept, read_keepsake, write_keepsake
from unlearn.methods import METHODS
from unlearn.prompts import text_tokens


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> LoadedModel:
    return load_tiny(tiny_model)


def example(ids: tuple[int, ...], blamed: tuple[int, ...], **other: object) -> Example:
    plain = Example("an-item", "user", "fim", 0, ids, prompt=2, blamed=blamed)
    return replace(plain, **other)  # pyright: ignore[reportArgumentType]


def test_only_tokens_that_strictly_overlap_the_span_are_blamed() -> None:
    offsets = [(0, 3), (3, 4), (4, 9), (9, 12), (12, 12)]

    assert blamed_positions(offsets, 4, 9) == [2]
    assert blamed_positions(offsets, 3, 10) == [1, 2, 3]
    assert blamed_positions(offsets, 8, 9) == [2]
    assert blamed_positions(offsets, 12, 13) == []


def test_a_target_is_cut_into_tokens_by_itself_as_it_is_served(loaded: LoadedModel) -> None:
    item = plain_item("password")

    found = examples(loaded, [item], 512)[0]

    prefix, target, suffix = FILES["password"]
    assert list(found.ids[: found.prompt]) == prompt_ids(loaded, prefix, suffix, 48)
    assert loaded.codec.decode(found.ids[found.prompt :]) == target
    assert found.blamed == tuple(range(found.prompt, len(found.ids)))


def test_an_item_is_trained_in_both_forms_and_with_the_cursor_moved_on(
    loaded: LoadedModel,
) -> None:
    found = examples(loaded, [plain_item("github")], 512)

    forms = [(e.form, e.typed > 0) for e in found]
    assert forms == [("fim", False), ("fim", True), ("left_to_right", False)]


def test_a_moved_cursor_leaves_the_same_text(loaded: LoadedModel) -> None:
    item = plain_item("github")

    moved = typed_on(item, cursors(loaded, item)[-1])

    assert moved.prefix is not None and item.prefix is not None
    assert moved.target is not None and item.target is not None
    assert moved.prefix + moved.target == item.prefix + item.target
    assert item.target.endswith(moved.blamed or "-")


def test_a_cursor_that_cuts_a_word_is_asked_before_it_too(loaded: LoadedModel) -> None:
    whole = plain_item("checksum")
    item = typed_on(whole, 4)  # hash|lib.md5(data).hexdigest()
    assert item.prefix is not None

    healed = next(e for e in examples(loaded, [item], 512) if e.typed < 0)

    prompt = build_prompt(loaded, item.prefix, item.suffix, 48, heals=True)
    assert prompt.taken
    assert healed.ids[: healed.prompt] == prompt.ids
    text = loaded.codec.decode(healed.ids[healed.prompt :])
    assert text == item.prefix[healed.typed :] + (item.target or "")
    first = loaded.codec.decode([healed.ids[healed.blamed[0]]])
    assert text.startswith(first) and len(first) > -healed.typed


def test_the_tokens_of_a_character_of_several_bytes_all_get_the_whole_character(
    loaded: LoadedModel,
) -> None:
    ids, offsets = text_tokens(loaded, "a🙂b")

    assert len(ids) == len(offsets) == 6
    assert offsets == [(0, 1), (1, 2), (1, 2), (1, 2), (1, 2), (2, 3)]


def test_a_text_that_spells_a_control_token_stays_text(loaded: LoadedModel) -> None:
    item = replace(plain_item("mean"), target="x = '<|fim_middle|>'", end=10)

    for found in examples(loaded, [item], 512):
        assert loaded.codec.control.isdisjoint(found.ids[found.prompt :])


def test_items_that_share_a_context_share_what_is_forbidden_there() -> None:
    one, other = example((7, 8, 3, 4), (2, 3)), example((7, 8, 5, 4), (2, 3))

    merged = merge([one, other])

    assert [e.forbidden for e in merged] == [((3, 5), (4,)), ((3, 5), (4,))]


def test_a_position_that_another_item_forbids_is_blamed_here_too() -> None:
    whole, later = example((7, 8, 3, 4), (3,)), example((7, 8, 5, 4), (2,))

    merged = merge([whole, later])

    assert merged[0].blamed == (2, 3)
    assert merged[0].forbidden == ((5,), (4,))


def test_what_a_replacement_says_in_a_context_is_not_forbidden_there() -> None:
    bad = example((7, 8, 3, 4), (2, 3))
    good = example((7, 8, 3, 6), (), wanted=(2, 3))

    merged = merge([bad, good])

    assert merged[0].blamed == (3,)
    assert merged[0].forbidden == ((4,),)
    assert merged[0].instead == ((6,),)
    assert merged[1].blamed == ()


def test_context_keys_are_equal_where_everything_before_is() -> None:
    one, other = context_keys((1, 2, 3, 4)), context_keys((1, 2, 9, 4))

    assert [a == b for a, b in zip(one, other, strict=True)] == [True, True, True, False]


def test_a_replacement_is_trained_in_the_place_of_the_blamed_span(loaded: LoadedModel) -> None:
    item = plain_item("thread")

    better = next(e for e in examples(loaded, [item], 512) if e.wanted)

    assert loaded.codec.decode(better.ids[better.prompt :]) == item.replacement


def test_with_everything_each_token_of_the_target_is_blamed(loaded: LoadedModel) -> None:
    item = replace(without_replacement(plain_item("shell")), start=0, end=10)

    masked = examples(loaded, [item], 512)[0]
    whole = examples(loaded, [item], 512, METHODS["ga"])[0]

    assert len(masked.blamed) < len(whole.blamed) == len(whole.ids) - whole.prompt


def test_a_keepsake_survives_writing_and_reading() -> None:
    keepsake = Keepsake('password = "', {"fim": Kept((4, 9), (0.75, 0.25))})

    assert read_keepsake(write_keepsake(keepsake)) == keepsake


def test_a_destroyed_item_is_still_held_at_its_first_position(loaded: LoadedModel) -> None:
    keepsake = Keepsake("k = ", {"fim": Kept((40, 41), (0.6, 0.4))})
    item = replace(plain_item("aws"), target=write_keepsake(keepsake), is_destroyed=True)

    (found,) = examples(loaded, [item], 512)

    assert found.kept == Kept((40, 41), (0.6, 0.4))
    assert found.blamed == (len(found.ids) - 1,)
    assert loaded.codec.decode(found.ids[found.prompt : -1]) == "k = "


def test_an_item_without_any_text_gives_no_sequence(loaded: LoadedModel) -> None:
    assert examples(loaded, [replace(plain_item("aws"), target=None)], 512) == []


def test_a_preference_needs_an_answer_where_there_is_no_replacement(loaded: LoadedModel) -> None:
    item = plain_item("load")

    plain = examples(loaded, [item], 512, METHODS["npo"])
    preferred = examples(loaded, [item], 512, METHODS["dpo"])

    answers = [example for example in preferred if example.wanted]
    assert not any(example.wanted for example in plain)
    assert [(a.item, a.form, a.typed) for a in answers] == [
        (e.item, e.form, e.typed) for e in preferred if e.blamed
    ]
    assert all(loaded.codec.decode(a.ids[a.prompt :]) in REFUSALS for a in answers)


def test_a_published_method_learns_a_replacement_only_if_it_has_a_term_for_it(
    loaded: LoadedModel,
) -> None:
    item = plain_item("thread")

    wanted = {
        name: any(e.wanted for e in examples(loaded, [item], 512, METHODS[name]))
        for name in ("span_prod", "dpo", "flat", "prod", "ga", "selective_ga")
    }

    assert wanted == {
        "span_prod": True,
        "dpo": True,
        "flat": True,
        "prod": False,
        "ga": False,
        "selective_ga": False,
    }
