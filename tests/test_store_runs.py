from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from example_records import run_item
from store_workers import begin, start_run

from store import runs
from store.database import Database
from store.errors import NotFound, RunInProgress
from store.home import Home
from store.stamp import new_id


def test_a_run_is_followed_from_start_to_end(db: Database) -> None:
    begun = runs.start(db, "rebuild", "prod", os.getpid())
    assert runs.get(db, begun.id) == begun

    runs.progress(db, begun.id, "train", 3, 12, "It is training.")
    halfway = runs.latest(db)
    ended = runs.finish(db, begun.id, "promoted", "It serves.", "g000001-aa")

    assert halfway is not None
    assert halfway == replace(begun, phase="train", done=3, total=12, message="It is training.")
    assert ended == replace(
        halfway,
        state="promoted",
        message="It serves.",
        candidate="g000001-aa",
        finished_at=ended.finished_at,
    )
    assert ended.finished_at is not None


def test_runs_are_listed_newest_first(db: Database) -> None:
    assert runs.latest(db) is None
    made = list[str]()
    for _ in range(3):
        run = runs.start(db, "incremental", "prod", os.getpid())
        runs.finish(db, run.id, "nothing_to_do", "The ledger is empty.")
        made.append(run.id)

    assert [run.id for run in runs.list_runs(db, 2)] == [made[2], made[1]]


def test_an_unknown_run_is_not_found(db: Database) -> None:
    for ask in (
        lambda: runs.get(db, "nobody"),
        lambda: runs.progress(db, "nobody", "gate", 0, 0, ""),
        lambda: runs.finish(db, "nobody", "failed", ""),
    ):
        with pytest.raises(NotFound, match="no run 'nobody'"):
            ask()


def test_a_second_run_is_refused_while_one_lives(home: Home, db: Database) -> None:
    worker, here = begin(start_run, home.root)
    first: str = here.recv()

    with pytest.raises(RunInProgress, match=f"process {worker.pid}") as refusal:
        runs.start(db, "incremental", "prod", os.getpid())
    assert refusal.value.run == runs.get(db, first)

    worker.kill()
    worker.join()
    second = runs.start(db, "incremental", "prod", os.getpid())
    interrupted = runs.get(db, first)
    assert (interrupted.state, interrupted.message) == ("failed", "it was interrupted")
    assert interrupted.finished_at is not None
    assert [run.id for run in runs.list_runs(db)] == [second.id, first]


def test_a_killed_process_that_nobody_has_waited_for_is_dead(db: Database) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    run = runs.start(db, "incremental", "prod", child.pid)
    assert runs.close_interrupted(db) == run

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert runs.close_interrupted(db) is None
    assert runs.get(db, run.id).state == "failed"
    child.wait()


def test_a_later_process_with_the_same_number_is_another(db: Database) -> None:
    run = runs.start(db, "incremental", "prod", os.getpid())
    db.write("UPDATE runs SET started_at = '2020-02-02T02:02:02.000Z'")

    assert runs.close_interrupted(db) is None
    assert runs.get(db, run.id).state == "failed"


def test_the_database_itself_holds_no_two_running_ones(db: Database) -> None:
    run = runs.start(db, "incremental", "prod", os.getpid())

    with pytest.raises(sqlite3.IntegrityError), db.transaction() as sql:
        sql.table("runs").insert(asdict(run) | {"id": new_id()})


def test_what_a_run_did_to_each_item_is_kept(db: Database) -> None:
    run = runs.start(db, "incremental", "prod", os.getpid())
    one, other = run_item(run.id, "1" * 32), run_item(run.id, "2" * 32, forgotten=False)

    runs.record_items(db, [])
    runs.record_items(db, [replace(one, steps=1), other])
    runs.record_items(db, [one])

    assert runs.items(db, run.id) == [one, other]
    assert runs.items(db, "nobody") == []
