"""What the benchmark of the nights is made of, on the tests' model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from unlearn_scene import QUICK, load_tiny, plain_item

from benchmarks.unlearning.bad_adapters import plan
from benchmarks.unlearning.fresh_secrets import fresh_secrets
from benchmarks.unlearning.given_away import effects
from benchmarks.unlearning.nights import Plan, carry_out
from benchmarks.unlearning.served import probability, silent
from benchmarks.unlearning.undo import undo


def test_invented_secrets_are_all_different_and_always_the_same() -> None:
    found = fresh_secrets(200)

    assert len({item.prefix for item in found}) == len({item.target for item in found}) == 200
    assert found[:50] == fresh_secrets(50)
    assert all("{" not in (item.target or "") for item in found)


def test_fifty_bad_adapters_are_planned_in_more_than_ten_kinds() -> None:
    kinds = [kind for kind, _ in plan()]

    assert len(kinds) == 50
    assert len(set(kinds)) >= 12


def test_the_tiny_model_says_its_files_and_nothing_else(tiny_model: Path) -> None:
    loaded = load_tiny(tiny_model)
    items = [plain_item("aws"), plain_item("shell")]
    unknown = replace(items[0], target="AKIA0000000000000000")

    assert silent(loaded, loaded.model, [*items, unknown]) == [False, False, True]
    assert probability(loaded, loaded.model, items[0]) > 0.9


def test_what_a_model_knows_is_told_from_what_it_does_not_when_attacked(tiny_model: Path) -> None:
    loaded = load_tiny(tiny_model)
    known = [plain_item(name) for name in ("aws", "github", "shell")]

    found, unknown = effects(loaded, loaded.model, known, fresh_secrets(6))

    assert (found.items, found.leak16) == (3, 1.0)
    assert (unknown.items, unknown.leak16) == (6, 0.0)
    assert found.quality < 0.2 < unknown.quality
    assert found.effect == pytest.approx(0.0, abs=0.1)
    assert unknown.error > 0


def test_an_item_taken_back_is_as_if_it_had_never_been_held(
    tiny_model: Path, tmp_path: Path
) -> None:
    items = [plain_item(name) for name in ("mean", "read", "aws")]

    found = undo(tiny_model, items, QUICK, tmp_path, [plain_item("shell")])

    assert found.equal
    assert found.back == pytest.approx(found.base, rel=0.1)
    assert found.others == pytest.approx(1, abs=0.1)
    assert "byte for byte that of a home" in found.sentence()


def test_the_nights_go_on_where_they_were_stopped(tiny_model: Path, tmp_path: Path) -> None:
    items = tuple(plain_item(name) for name in ("mean", "read"))
    whole = Plan(tiny_model, items, 1, QUICK, tmp_path)

    *_, first = carry_out(replace(whole, items=items[:1]))
    path = tmp_path / "nights.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")  # its rebuild is not yet due
    *_, rows = carry_out(whole)

    assert rows[0] == first[0]
    assert [(row.night, row.what, row.items) for row in rows] == [
        (1, "incremental", 1),
        (2, "incremental", 2),
        (3, "rebuild", 2),
    ]
    assert {row.state for row in rows} == {"promoted"}
