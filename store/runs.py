"""Refreshes: at most one at a time, how far it is, and what it did to each item."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

import psutil

from store.database import Database
from store.errors import NotFound, RunInProgress
from store.records import Run, RunItem, RunMode, RunPhase, RunState
from store.stamp import new_id, now


def start(db: Database, mode: RunMode, method: str, pid: int) -> Run:
    """Begin a refresh in process `pid`; raises RunInProgress while another one lives."""
    with db.transaction(durable=True) as sql:
        running = close_interrupted(db)
        if running is not None:
            raise RunInProgress(running)
        run = Run(
            id=new_id(),
            started_at=now(),
            finished_at=None,
            mode=mode,
            method=method,
            state="running",
            phase="select",
            done=0,
            total=0,
            message="It is choosing what to forget.",
            pid=pid,
            candidate=None,
        )
        sql.table("runs").insert(asdict(run))
        return run


def close_interrupted(db: Database) -> Run | None:
    """The refresh that is running; one whose process died is closed as failed."""
    with db.transaction(durable=True):
        for row in db.rows(f"{_SELECT} WHERE state = 'running'"):
            run = Run(**row)
            if _lives(run):
                return run
            finish(db, run.id, "failed", "it was interrupted", run.candidate)
        return None


def progress(db: Database, id: str, phase: RunPhase, done: int, total: int, message: str) -> None:
    """Say how far the running refresh is; raises NotFound."""
    _update(
        db,
        "UPDATE runs SET phase = ?, done = ?, total = ?, message = ? WHERE id = ?",
        [phase, done, total, message, id],
    )


def finish(
    db: Database, id: str, state: RunState, message: str, candidate: str | None = None
) -> Run:
    """Close a refresh with how it ended and why; raises NotFound."""
    with db.transaction(durable=True):
        _update(
            db,
            "UPDATE runs SET state = ?, message = ?, candidate = ?, finished_at = ? WHERE id = ?",
            [state, message, candidate, now(), id],
        )
        return get(db, id)


def get(db: Database, id: str) -> Run:
    """The run; raises NotFound."""
    for row in db.rows(f"{_SELECT} WHERE id = ?", [id]):
        return Run(**row)
    raise NotFound("run", id, _HINT)


def latest(db: Database) -> Run | None:
    """The run that started last."""
    return next(iter(list_runs(db, 1)), None)


def list_runs(db: Database, limit: int = 20) -> list[Run]:
    """Newest first."""
    return [Run(**row) for row in db.rows(f"{_SELECT} ORDER BY number DESC LIMIT ?", [limit])]


def record_items(db: Database, items: Iterable[RunItem]) -> None:
    """Keep what a run did to its items, all or none; the last word on an item counts."""
    rows = [asdict(item) for item in items]
    with db.transaction() as sql:
        sql.table("run_items").insert_all(rows, replace=True)


def items(db: Database, run: str) -> list[RunItem]:
    """What a run did to each item."""
    query = (
        "SELECT run, item, probability_before, probability_after, steps, seconds, leaks, forgotten"
        " FROM run_items WHERE run = ?"
    )
    rows = db.rows(query, [run])
    for row in rows:
        row["forgotten"] = bool(row["forgotten"])
    return [RunItem(**row) for row in rows]


_HINT = "the dashboard and GET /v1/runs list those there are"
_SELECT = (
    "SELECT id, started_at, finished_at, mode, method, state, phase, done, total, message, pid,"
    " candidate FROM runs"
)


def _update(db: Database, statement: str, values: list[object]) -> None:
    if not db.write(statement, values):
        raise NotFound("run", str(values[-1]), _HINT)


def _lives(run: Run) -> bool:
    """Whether the run's process is there still, and not a later one that got its number."""
    try:
        process = psutil.Process(run.pid)
        born = process.create_time()
        is_dead = process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    started = datetime.fromisoformat(run.started_at).timestamp()
    return not is_dead and born < started + 60  # the clock may have been set since
