"""Token healing: what is taken back of a prefix, and that a completion begins with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import FILES, SPECIAL

from server.engine.config import EMBEDDED_MODEL
from server.engine.healing import Beginning, Vocabulary
from server.engine.load import LoadedModel, load_model
from server.engine.local import LocalEngine
from server.engine.prompt import build_prompt
from server.engine.protocol import Ask, Ban
from server.engine.sequence import ModuleSequence

CUT = [("aws", 2), ("shell", 7), ("mean", 3), ("thread", 9), ("read", 2), ("checksum", 4)]


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model(EMBEDDED_MODEL, "cpu")


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> LocalEngine:
    return LocalEngine(load_model(tiny_model, "cpu"))


def listed(found: Any) -> list[int]:
    return found.tolist()


def words(loaded: LoadedModel, ids: tuple[int, ...]) -> list[str]:
    return [loaded.codec.decode([i]) for i in ids]


@pytest.mark.parametrize(
    ("prefix", "taken"),
    [
        ("impor", ["imp", "or"]),
        ("self.assertEq", ["assert", "E", "q"]),
        ("import os\nos.pat", ["pat"]),
        ("    ret", ["ret"]),
        ("foo(", []),
        ("x =", []),
        ("def f():\n    ", []),
        ("", []),
    ],
)
def test_what_is_taken_back(loaded: LoadedModel, prefix: str, taken: list[str]) -> None:
    before = loaded.codec.encode(prefix)

    count = loaded.vocabulary.cut(before, with_blanks=True)

    assert words(loaded, tuple(before[len(before) - count :])) == taken


def test_a_last_blank_counts_where_the_next_word_would_take_it(tiny: LocalEngine) -> None:
    before = tiny.loaded.codec.encode("def f(x):\n        ")

    count = tiny.loaded.vocabulary.cut(before, with_blanks=True)

    assert tiny.loaded.codec.decode(before[len(before) - count :]).strip(" ") == ""
    assert count > 0
    assert tiny.loaded.vocabulary.cut(before, with_blanks=False) == 0


def test_the_tokens_that_go_on_are_those_a_search_finds(loaded: LoadedModel) -> None:
    codec, size = loaded.codec, len(loaded.tokenizer)
    texts = {i: codec.decode([i]) for i in range(size) if i not in codec.control}

    for text in ("", "im", " self", "\n    ", "(", "zzz"):
        going_on = {
            i for i, said in texts.items() if said.startswith(text) and len(said) > len(text)
        }
        going_on = {i for i in going_on if "\ufffd" not in texts[i]}
        assert set(listed(loaded.vocabulary.beyond(text))) == going_on


def test_no_control_token_is_among_them(tiny: LocalEngine) -> None:
    vocabulary, control = tiny.loaded.vocabulary, tiny.loaded.codec.control

    for marker in SPECIAL:
        for length in range(len(marker)):
            assert control.isdisjoint(listed(vocabulary.beginning(marker[:length])))


@pytest.mark.parametrize(("name", "typed"), CUT)
@pytest.mark.parametrize("is_filling_in", [True, False])
def test_a_completion_is_the_best_that_begins_as_typed(
    tiny: LocalEngine, name: str, typed: int, is_filling_in: bool
) -> None:
    loaded, (prefix, target, suffix) = tiny.loaded, FILES[name]
    prefix, after = prefix + target[:typed], suffix if is_filling_in else None

    [found] = tiny.complete(Ask(prefix, after, max_tokens=6, stop_rules=False))

    prompt = build_prompt(loaded, prefix, after, 6, heals=True)
    again = "".join(words(loaded, prompt.taken))
    assert prefix.endswith(again)
    assert found.tokens == _slowly(loaded, prompt.ids, again, len(found.tokens))
    assert loaded.codec.decode(found.tokens) == again + found.text


@pytest.mark.parametrize("prefix", ['x = "<|end', "<|fim_mid", "<|file_se"])
def test_half_a_marker_is_never_healed_into_a_control_token(
    loaded: LoadedModel, prefix: str
) -> None:
    for suffix in (None, "\n"):
        ask = Ask(prefix, suffix, max_tokens=4, stop_rules=False, n=4, temperature=2.0, seed=1)

        found = LocalEngine(loaded).complete(ask)

        assert all(loaded.codec.control.isdisjoint(one.tokens) for one in found)


def test_what_was_typed_does_not_count_as_said(loaded: LoadedModel) -> None:
    [found] = LocalEngine(loaded).complete(
        Ask("self.assertEq", max_tokens=2, stop_rules=False, temperature=0.0)
    )

    assert 2 <= len(found.tokens) <= 2 + 3
    assert len(loaded.codec.encode(found.text)) <= 2


def test_a_healed_word_is_known_more_often(tiny: LocalEngine) -> None:
    known = {True: 0, False: 0}

    for prefix, target, suffix in (FILES[name] for name in ("aws", "shell", "thread")):
        for typed in range(1, len(target), 3):
            for heals in known:
                ask = Ask(prefix + target[:typed], suffix, heals=heals, document=str(heals))
                known[heals] += tiny.complete(ask)[0].text == target[typed:]

    assert known[True] > known[False]


def test_a_longer_token_may_not_say_what_is_banned_behind_the_cursor(loaded: LoadedModel) -> None:
    codec, vocabulary = loaded.codec, loaded.vocabulary
    [ort] = codec.encode("ort")

    free = listed(Beginning(vocabulary, "imp").beyond())
    held = listed(Beginning(vocabulary, "imp", {ort}).beyond())

    assert {codec.decode([i])[:6] for i in set(free) - set(held)} == {"import"}
    assert "imports" not in {codec.decode([i]) for i in held}


def test_a_ban_of_what_was_typed_does_not_keep_it_from_being_read(tiny: LocalEngine) -> None:
    prefix, target, suffix = FILES["read"]
    before = tiny.loaded.codec.encode(prefix + "retu")
    tiny.set_bans(Ban((*before[-3:-1], token)) for token in before[-1:])

    [found] = tiny.complete(Ask(prefix + "retu", suffix))

    tiny.set_bans([])
    assert found.text == target[4:]


def test_the_texts_of_a_vocabulary_are_said_behind_others(tiny: LocalEngine) -> None:
    vocabulary = Vocabulary(tiny.loaded.codec, len(tiny.loaded.tokenizer))

    assert vocabulary.text(tiny.loaded.codec.encode(" return x")) == " return x"
    assert vocabulary.text([tiny.loaded.end]) is None


def _slowly(
    loaded: LoadedModel, prompt: tuple[int, ...], typed: str, count: int
) -> tuple[int, ...]:
    """Greedy decoding over transformers' module, with a look at every token of the vocabulary."""
    codec, texts = loaded.codec, loaded.codec.texts(range(len(loaded.tokenizer)))
    said: list[int] = []
    for _ in range(count):
        logits = ModuleSequence(loaded.model).read([*prompt, *said]).clone()
        so_far = codec.decode(said) if said else ""
        if len(so_far) < len(typed):
            rest = typed[len(so_far) :]
            for i, text in enumerate(texts):
                fits = text and (text.startswith(rest) or rest.startswith(text))
                if not fits or i in codec.control:
                    logits[i] = -torch.inf
        said.append(int(logits.argmax()))
    return tuple(said)
