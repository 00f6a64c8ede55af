from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from example_records import new_item, suggestion
from store_workers import (
    begin,
    commit_then_hang,
    hold_write_lock,
    open_and_record,
    read_pairs,
    spawn,
)

from store import ledger, suggestions
from store.database import Database, open_database
from store.errors import DatabaseLocked
from store.home import Home


def test_processes_read_whole_transactions_while_one_writes(home: Home, db: Database) -> None:
    stop = spawn.Event()
    readers = [begin(read_pairs, home.root, stop) for _ in range(3)]
    assert [here.recv() for _, here in readers] == ["ready"] * 3

    for _ in range(300):
        with db.transaction():
            suggestions.record(db, suggestion())
            suggestions.record(db, suggestion())
    stop.set()
    answers: list[tuple[int, list[str]]] = [here.recv() for _, here in readers]
    for reader, _ in readers:
        reader.join(20)

    assert [wrong for _, wrong in answers] == [[], [], []]
    assert all(reads > 10 for reads, _ in answers)
    assert db.rows("SELECT count(*) AS count FROM suggestions") == [{"count": 600}]


def test_processes_that_make_the_same_home_at_once_share_one_key(home: Home) -> None:
    go = spawn.Event()
    workers = [begin(open_and_record, home.root, go) for _ in range(4)]
    assert [here.recv() for _, here in workers] == ["ready"] * 4

    go.set()
    made: list[str] = [here.recv() for _, here in workers]
    for worker, _ in workers:
        worker.join(20)

    db = open_database(home)
    texts = {suggestions.get(db, id).text for id in made}
    db.close()
    assert texts == {f"process {worker.pid}" for worker, _ in workers}


def test_a_locked_database_is_an_error_in_time_and_nothing_is_lost(
    home: Home, db: Database
) -> None:
    before = ledger.add(db, new_item())
    holder, here = begin(hold_write_lock, home.root)
    assert here.recv() == "held"

    begun = time.monotonic()
    with pytest.raises(DatabaseLocked, match="in use by another process: close what holds it"):
        ledger.add(db, new_item(prefix="other"))
    waited_s = time.monotonic() - begun
    reader = open_database(home)  # neither opening nor reading needs the lock
    assert ledger.list_items(reader) == [before]
    reader.close()

    here.send("let go")
    assert here.recv() == "released"
    holder.join(20)
    after = ledger.add(db, new_item(prefix="other"))
    assert 0.9 < waited_s < 3
    assert ledger.list_items(db) == [after, before]


def test_a_killed_writer_loses_only_what_it_had_not_committed(home: Home) -> None:
    _kill_in_transaction(home, commits=20)

    db = open_database(home)
    db.check()
    assert _texts(db) == [f"committed {i}" for i in range(20)]
    db.close()


def test_a_torn_wal_file_loses_only_what_lies_behind_the_tear(home: Home, tmp_path: Path) -> None:
    _kill_in_transaction(home, commits=20)
    wal = home.root / "unsay.db-wal"
    committed = [f"committed {i}" for i in range(20)]
    lengths = list[int]()

    for cut in range(0, wal.stat().st_size, wal.stat().st_size // 16 + 1):
        torn = Home(tmp_path / f"cut-{cut}")
        shutil.copytree(home.root, torn.root)
        os.truncate(torn.root / "unsay.db-wal", wal.stat().st_size - cut)
        db = open_database(torn)
        db.check()
        texts = _texts(db)
        db.close()
        assert texts == committed[: len(texts)]
        lengths.append(len(texts))

    assert lengths == sorted(lengths, reverse=True)
    assert (lengths[0], lengths[-1] < 20) == (20, True)


def test_a_flipped_bit_in_the_wal_file_never_shows_as_a_row(home: Home) -> None:
    _kill_in_transaction(home, commits=20)
    wal = home.root / "unsay.db-wal"
    content = bytearray(wal.read_bytes())
    content[len(content) // 8] ^= 1
    wal.write_bytes(content)

    db = open_database(home)
    db.check()
    texts = _texts(db)
    db.close()

    assert texts == [f"committed {i}" for i in range(20)][: len(texts)]


def test_changes_are_noticed_whoever_made_them_and_only_then(home: Home, db: Database) -> None:
    other = open_database(home)
    seen = [db.changes(), db.changes()]

    suggestions.record(db, suggestion())
    seen += [db.changes(), db.changes()]
    suggestions.record(other, suggestion())
    seen += [db.changes(), db.changes()]
    with pytest.raises(KeyError), db.transaction():
        suggestions.record(db, suggestion())
        raise KeyError
    seen += [db.changes()]
    other.close()

    assert seen[0] == seen[1] != seen[2] == seen[3] != seen[4] == seen[5] == seen[6]


def test_changes_do_not_wait_for_a_writer(home: Home, db: Database) -> None:
    begun, go = threading.Event(), threading.Event()

    def write() -> None:
        with db.transaction():
            begun.set()
            go.wait(20)

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait(20)

    before = time.monotonic()
    db.changes()
    waited_s = time.monotonic() - before

    go.set()
    writer.join()
    assert waited_s < 0.5


def test_threads_share_the_connection(db: Database) -> None:
    def work(name: str) -> None:
        for i in range(50):
            with db.transaction():
                made = suggestion(text=f"{name} {i}")
                suggestions.record(db, made)
                assert suggestions.set_fate(db, made.id, "accepted").text == made.text

    threads = [threading.Thread(target=work, args=(f"thread {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(suggestions.accepted(db, 1000)) == 200


def test_a_block_that_raises_leaves_nothing_and_an_inner_one_only_itself(db: Database) -> None:
    kept = suggestion()

    with pytest.raises(KeyError), db.transaction():
        suggestions.record(db, suggestion())
        raise KeyError
    with db.transaction():
        suggestions.record(db, kept)
        with pytest.raises(sqlite3.IntegrityError):
            suggestions.record(db, kept)

    assert _texts(db) == [kept.text]
    assert suggestions.get(db, kept.id) == kept


def _kill_in_transaction(home: Home, commits: int) -> None:
    """Leave a home as `kill -9` leaves it, with part of a transaction in the -wal file."""
    writer, here = begin(commit_then_hang, home.root, commits)
    assert here.recv() == "hanging"
    writer.kill()
    writer.join()


def _texts(db: Database) -> list[str]:
    rows = db.rows("SELECT text FROM suggestions ORDER BY number")
    return [db.cipher.decrypt(row["text"]) for row in rows]
