"""Places like an item's, and what the base says there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from unlearn_scene import FORGET, load_tiny, plain_item

from server.engine.load import LoadedModel
from store.records import Item
from unlearn.batch import retained
from unlearn.config import RefreshConfig
from unlearn.lookalikes import ALIKE, lookalikes, renamed
from unlearn.preparation import Work, prepared
from unlearn.retain import SEQUENCE_TOKENS
from unlearn.scored import kl
from unlearn.train import train

CONFIG = RefreshConfig(
    max_updates=24,
    retain_size=8,
    retain_examples=8,
    lookalike_examples=4,
    held_out=8,
    stops_per_item=False,
    ease=1.0,
)


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> LoadedModel:
    return load_tiny(tiny_model)


@pytest.fixture
def items() -> list[Item]:
    return [plain_item(name) for name in FORGET]


def ids_of(rows: Sequence[Tensor]) -> list[tuple[int, ...]]:
    return [tuple(int(i) for i in row) for row in rows]


def answer(loaded: LoadedModel, row: Tensor) -> str:
    return loaded.codec.decode(ids_of([row])[0]).split("<|fim_middle|>")[-1]


def test_a_word_gets_the_same_name_everywhere_and_a_keyword_none() -> None:
    before = 'def open_store(host):\n    """Open host."""\n    return '

    first, second = renamed((before, "\nopen_store(host)\n"), ["other"], 1.0, random.Random(0))

    assert first == 'def other(other):\n    """other other."""\n    return '
    assert second == "\nother(other)\n"


def test_about_the_asked_share_is_renamed() -> None:
    words = [f"word{i}" for i in range(400)]

    (found,) = renamed((" ".join(words),), ["other"], 0.3, random.Random(0))

    assert 80 < found.split().count("other") < 160
    assert [w for w in found.split() if w != "other"] == [w for w in words if w in found.split()]


def test_the_answers_are_the_bases_own_greedy_ones(loaded: LoadedModel, items: list[Item]) -> None:
    found = lookalikes(loaded, items, items, replace(CONFIG, lookalikes=24), str)

    assert 0 < len(found) <= 24
    assert all(len(row) <= SEQUENCE_TOKENS for row in found)
    for row in found:
        begins = len(row) - len(loaded.codec.encode(answer(loaded, row)))
        with torch.no_grad():
            best = loaded.model(row[None]).logits[0].argmax(-1)
        assert torch.equal(best[begins - 1 : -1], row[begins:])


def test_the_same_ones_are_found_again(loaded: LoadedModel, items: list[Item]) -> None:
    one, two = (lookalikes(loaded, items, items, CONFIG, str) for _ in range(2))

    assert ids_of(one) == ids_of(two)


def test_no_answer_says_half_of_what_is_to_be_forgotten(
    loaded: LoadedModel, items: list[Item]
) -> None:
    free = lookalikes(loaded, items, [], CONFIG, str)
    found = lookalikes(loaded, items, items, CONFIG, str)

    blamed = [item.blamed or "" for item in items]
    assert set(ids_of(found)) < set(ids_of(free))  # some did say an item
    for row in found:
        said = answer(loaded, row)
        assert not any(text[: int(ALIKE * len(text)) + 1] in said for text in blamed)


def test_a_destroyed_secret_is_left_out_by_its_fingerprint(
    loaded: LoadedModel, items: list[Item]
) -> None:
    free = lookalikes(loaded, items, [], CONFIG, str.upper)
    said = answer(loaded, free[0])
    gone = replace(
        items[0], is_destroyed=True, fingerprint=said[2:8].upper(), blamed_chars=6, target="{}"
    )

    found = lookalikes(loaded, items, [gone], CONFIG, str.upper)

    assert ids_of(free[:1])[0] not in ids_of(found)


@pytest.mark.parametrize(
    "config", [replace(CONFIG, lookalikes=0), replace(CONFIG, method="ga")], ids=["0", "ga"]
)
def test_none_are_asked_for_where_none_are_held(
    loaded: LoadedModel, items: list[Item], config: RefreshConfig
) -> None:
    assert lookalikes(loaded, items, items, config, str) == []


def test_what_is_held_stays_nearer_to_the_base(loaded: LoadedModel, items: list[Item]) -> None:
    alike = lookalikes(loaded, items, items, CONFIG, str)

    def apart(is_held: bool) -> float:
        found = prepared(loaded, Work(items[:1], [], None, alike), CONFIG)
        held = found.lookalikes if is_held else []
        train(found.student, found.lessons, found.retain, CONFIG, lookalikes=held)
        with torch.no_grad():
            now = retained(found.student, found.lookalikes)
        found.student.unload()
        return float(kl(now.base, now.logits).mean())

    held, free = apart(is_held=True), apart(is_held=False)
    assert held < 0.7 * free, (held, free)
