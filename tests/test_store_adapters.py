from __future__ import annotations

from dataclasses import replace

import pytest
from example_records import adapter
from store_workers import begin, promote_when_told, spawn

from store import adapters
from store.database import Database
from store.errors import NotFound, NotPassed, PromotionConflict
from store.home import Home

FIRST, SECOND = "g000001-aaaaaaaa", "g000002-bbbbbbbb"


def test_a_generation_comes_back_with_its_figures(db: Database) -> None:
    first, second = adapter(FIRST), adapter(SECOND, parent=FIRST, run="r" * 32, metrics={})

    adapters.add(db, first)
    adapters.add(db, second)

    assert adapters.get(db, FIRST) == first
    assert adapters.list_adapters(db) == [second, first]


def test_the_gates_verdict_keeps_earlier_figures_unless_it_brings_some(db: Database) -> None:
    candidate = adapter(FIRST, state="candidate")
    adapters.add(db, candidate)

    rejected = adapters.set_state(db, FIRST, "rejected")
    passed = adapters.set_state(db, FIRST, "passed", {"kl": 0.01})

    assert rejected == replace(candidate, state="rejected")
    assert passed == replace(candidate, state="passed", metrics={"kl": 0.01})


def test_an_unknown_generation_is_not_found(db: Database) -> None:
    for ask in (
        lambda: adapters.get(db, "g9"),
        lambda: adapters.set_state(db, "g9", "passed"),
        lambda: adapters.promote(db, "g9", expected="base"),
    ):
        with pytest.raises(NotFound, match=r"no generation 'g9'.*unsay adapters"):
            ask()


def test_generations_are_numbered_on(db: Database) -> None:
    numbers = [adapters.next_number(db)]
    adapters.add(db, adapter("g000012-cccccccc", state="rejected"))
    numbers.append(adapters.next_number(db))
    adapters.add(db, adapter(FIRST))
    numbers.append(adapters.next_number(db))

    assert numbers == [1, 13, 13]


def test_the_base_serves_at_first(db: Database) -> None:
    pointer = adapters.serving(db)

    assert (pointer.generation, pointer.previous) == ("base", None)


def test_promotion_and_rollback_move_the_pointer(db: Database) -> None:
    adapters.add(db, adapter(FIRST))
    adapters.add(db, adapter(SECOND))

    moves = [
        adapters.promote(db, FIRST, expected="base"),
        adapters.promote(db, SECOND, expected=FIRST),
        adapters.promote(db, SECOND, expected=SECOND),
        adapters.rollback(db, expected=SECOND),
        adapters.promote(db, "base", expected=FIRST),
    ]

    assert [(move.generation, move.previous) for move in moves] == [
        (FIRST, "base"),
        (SECOND, FIRST),
        (SECOND, FIRST),
        (FIRST, SECOND),
        ("base", FIRST),
    ]
    assert adapters.serving(db) == moves[-1]


def test_who_expects_another_generation_moves_nothing(db: Database) -> None:
    adapters.add(db, adapter(FIRST))
    adapters.add(db, adapter(SECOND))
    pointer = adapters.promote(db, FIRST, expected="base")

    for move in (
        lambda: adapters.promote(db, SECOND, expected="base"),
        lambda: adapters.rollback(db, expected=SECOND),
    ):
        with pytest.raises(PromotionConflict, match=f"'{FIRST}' is serving") as conflict:
            move()
        assert conflict.value.serving == pointer

    assert adapters.serving(db) == pointer


@pytest.mark.parametrize("state", ["candidate", "rejected"])
def test_what_has_not_passed_its_gate_never_serves(db: Database, state: str) -> None:
    adapters.add(db, adapter(FIRST, state=state))

    with pytest.raises(NotPassed, match=state):
        adapters.promote(db, FIRST, expected="base")

    assert adapters.serving(db).generation == "base"


def test_with_nothing_before_it_there_is_no_way_back(db: Database) -> None:
    with pytest.raises(NotFound, match="nothing served before"):
        adapters.rollback(db)


def test_of_processes_that_promote_at_once_one_wins(home: Home, db: Database) -> None:
    go = spawn.Event()
    workers = [begin(promote_when_told, home.root, f"g00000{i}-x", go) for i in range(3)]
    assert [here.recv() for _, here in workers] == ["ready"] * 3

    go.set()
    answers: list[tuple[str, str | None]] = [here.recv() for _, here in workers]
    for worker, _ in workers:
        worker.join(20)

    winner = adapters.serving(db).generation
    assert sorted(answers, key=lambda answer: answer[0]) == [
        (f"g00000{i}-x", None if f"g00000{i}-x" == winner else winner) for i in range(3)
    ]
