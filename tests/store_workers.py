"""What other processes do to a database while a test looks on."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path

from example_records import adapter, suggestion

from store import adapters, runs, suggestions
from store.database import open_database
from store.errors import DatabaseFull, PromotionConflict, RunInProgress
from store.home import Home

spawn = multiprocessing.get_context("spawn")


def begin(work: Callable[..., None], *args: object) -> tuple[SpawnProcess, Connection]:
    """Run `work(*args, answer)` in another process; the connection is its other end."""
    here, there = spawn.Pipe()
    worker = spawn.Process(target=work, args=(*args, there), daemon=True)
    worker.start()
    there.close()  # else who waits for a word of a worker that died waits for ever
    return worker, here


def read_pairs(root: Path, stop: Event, answer: Connection) -> None:
    """Read until told to stop; answer how often, and what was seen that no reader may see."""
    db = open_database(Home(root))
    reads, wrong, last = 0, list[str](), 0
    answer.send("ready")
    while not stop.is_set():
        (row,) = db.rows("SELECT count(*) AS count FROM suggestions")
        if row["count"] % 2 or row["count"] < last:
            wrong.append(f"{row['count']} rows after {last}")
        last = row["count"]
        reads += 1
    db.close()
    answer.send((reads, wrong))


def open_and_record(root: Path, go: Event, answer: Connection) -> None:
    """Open a home at the same time as others do, and leave a suggestion in it."""
    answer.send("ready")
    go.wait()
    db = open_database(Home(root))
    made = suggestion(text=f"process {os.getpid()}")
    suggestions.record(db, made)
    db.close()
    answer.send(made.id)


def hold_write_lock(root: Path, answer: Connection) -> None:
    """Hold the write lock until told to let go."""
    db = open_database(Home(root))
    with db.transaction():
        answer.send("held")
        answer.recv()
    db.close()
    answer.send("released")


def commit_then_hang(root: Path, count: int, answer: Connection) -> None:
    """Commit `count` suggestions, then hang in a large transaction that has reached the disk."""
    db = open_database(Home(root))
    for i in range(count):
        suggestions.record(db, suggestion(text=f"committed {i}"))
    with db.transaction() as sql:
        sql.conn.execute("PRAGMA cache_size = 5")  # spills to the file long before the commit
        for _ in range(300):
            suggestions.record(db, suggestion(text="not committed" * 20))
        answer.send("hanging")
        time.sleep(60)


def fill_up(root: Path, answer: Connection) -> None:
    """Write until no file may grow; answer what was committed, the error, and what came after."""
    db = open_database(Home(root))
    kept = list[str]()
    allowed = home_bytes(root) + 300_000
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, hard))
    message = ""
    try:
        while len(kept) < 100_000:
            made = suggestion(text="x" * 5000)
            suggestions.record(db, made)
            kept.append(made.id)
    except DatabaseFull as error:
        message = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    made = suggestion(text="after")
    suggestions.record(db, made)
    db.close()
    answer.send((kept, message, made.id))


def promote_when_told(root: Path, name: str, go: Event, answer: Connection) -> None:
    """Promote a generation of one's own from `base` and answer whether it serves."""
    db = open_database(Home(root))
    adapters.add(db, adapter(name))
    answer.send("ready")
    go.wait()
    try:
        adapters.promote(db, name, expected="base")
        answer.send((name, None))
    except PromotionConflict as conflict:
        answer.send((name, conflict.serving.generation))
    db.close()


def start_run(root: Path, answer: Connection) -> None:
    """Start a refresh and hang in it; answer its id, or None if another one runs."""
    db = open_database(Home(root))
    try:
        answer.send(runs.start(db, "incremental", "prod", os.getpid()).id)
    except RunInProgress:
        answer.send(None)
        return
    time.sleep(60)


def home_bytes(root: Path) -> int:
    return max(path.stat().st_size for path in root.iterdir() if path.is_file())
