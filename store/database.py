"""Opens the database and runs what the other modules ask of it, one thread at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlite_utils

from store import migrations
from store.cipher import Cipher
from store.errors import DatabaseDamaged, DatabaseLocked, HomeUnwritable, KeyMissing, explained
from store.home import Home

Row = dict[str, Any]
"""A row as SQLite hands it over; the module that asked makes a record of it."""


def open_database(home: Home, *, wait_s: float = 5.0) -> Database:
    """The database of `home`, made or brought up to date where needed.

    `wait_s` is how long a write waits for another process before DatabaseLocked. Raises
    HomeUnwritable, DatabaseTooNew, DatabaseDamaged, KeyMissing; nothing is changed then.
    """
    home.ensure()
    path = home.database
    with ExitStack() as opened, explained(path):
        _make_private(path)
        connection = _connect(path, wait_s)
        opened.callback(connection.close)
        sql = _configured(connection)
        migrations.check_version(sql, path)  # before anything is written
        _use_wal(sql, path, wait_s)
        migrations.migrate(sql, path)
        cipher = _open_cipher(sql, home)
        watch = _connect(path, wait_s)
        opened.pop_all()
        return Database(path, sql, cipher, watch)


class Database:
    """One connection, shared by the threads of a process under a lock."""

    def __init__(
        self, path: Path, sql: sqlite_utils.Database, cipher: Cipher, watch: sqlite3.Connection
    ) -> None:
        self.path = path
        self.sql = sql
        """For use inside `transaction` or `reading` only: they hold the lock."""
        self.cipher = cipher
        self._lock = threading.RLock()
        self._watch = watch
        self._watch_lock = threading.Lock()

    @contextmanager
    def reading(self) -> Generator[sqlite_utils.Database]:
        """Holds the lock; sees what is committed, or the open transaction of this thread."""
        with self._lock, explained(self.path):
            yield self.sql

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Generator[sqlite_utils.Database]:
        """All of the block is committed, or none of it if it raises; blocks may be nested.

        Write-locked from the start, so that what is read in it still holds when it writes. A
        durable one survives a power cut from the moment the outermost ends: it costs an fsync.
        Never `await` inside: another task on this thread would find itself in the same block.
        """
        with self._lock, explained(self.path):
            if self.sql.conn.in_transaction:
                with self.sql.atomic():
                    yield self.sql
                return
            if durable:
                self.sql.conn.execute("PRAGMA synchronous = FULL")
            try:
                self.sql.conn.execute("BEGIN IMMEDIATE")
                yield self.sql
                self.sql.conn.execute("COMMIT")
            finally:
                self.sql.rollback()  # does nothing once committed
                if durable:
                    self.sql.conn.execute("PRAGMA synchronous = NORMAL")

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """What `query` selects."""
        with self.reading() as sql:
            cursor = sql.conn.execute(query, tuple(values))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def write(self, statement: str, values: Sequence[object] = (), *, durable: bool = False) -> int:
        """Run one statement in a transaction and return how many rows it changed."""
        with self.transaction(durable=durable) as sql:
            return sql.conn.execute(statement, tuple(values)).rowcount

    def changes(self) -> int:
        """Another number whenever this or another process has committed something.

        Read through a connection of its own: that one never waits for a writer, and to it our
        writes are another's too.
        """
        with self._watch_lock, explained(self.path):
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def check(self) -> None:
        """Read the whole file; raises DatabaseDamaged with the first thing that is wrong."""
        with self.reading() as sql:
            found = str(sql.conn.execute("PRAGMA quick_check(1)").fetchone()[0])
        if found != "ok":
            raise DatabaseDamaged(self.path, found)

    def wipe(self) -> None:
        """Empty the -wal file, which may still hold texts that a transaction has destroyed.

        Waits for readers as long as for a writer; where they do not end, a later one does it.
        """
        with self.reading() as sql:
            if not sql.conn.in_transaction:
                sql.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close; the last process to do so tidies the -wal file away."""
        with self._lock, self._watch_lock, explained(self.path):
            self._watch.close()
            self.sql.close()


def _make_private(path: Path) -> None:
    """Create the file 0600 (its -wal and -shm take after it), or take others' rights from it."""
    try:
        # never open one that exists: closing it again would drop this process's SQLite locks
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            with suppress(PermissionError):  # not the owner: SQLite will say whether it may write
                path.chmod(0o600)
    except OSError as error:
        raise HomeUnwritable(path.parent, error.strerror or str(error)) from error


def _connect(path: Path, wait_s: float) -> sqlite3.Connection:
    # no isolation level: a transaction begins where we say so, never by itself
    return sqlite3.connect(path, timeout=wait_s, check_same_thread=False, isolation_level=None)


def _configured(connection: sqlite3.Connection) -> sqlite_utils.Database:
    # In WAL mode NORMAL never damages the file; what a power cut may take is the last few
    # suggestions, and they are written while a person types: no fsync there. What must not be
    # lost asks for `transaction(durable=True)`.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # a destroyed text leaves no bytes behind
    return sqlite_utils.Database(connection, execute_plugins=False)


def _use_wal(sql: sqlite_utils.Database, path: Path, wait_s: float) -> None:
    """Readers then never wait for the writer, nor it for them."""
    give_up = time.monotonic() + wait_s
    while True:
        try:
            with explained(path):
                mode = str(sql.conn.execute("PRAGMA journal_mode = WAL").fetchone()[0])
            break
        except DatabaseLocked:
            # SQLite does not wait here when two processes make the database at once
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)
    if mode != "wal":
        raise HomeUnwritable(path.parent, "its file system cannot share memory between processes")


def _open_cipher(sql: sqlite_utils.Database, home: Home) -> Cipher:
    """The cipher of this very database; raises KeyMissing before a text is read or written."""
    if _mark(sql) is None or not home.key.exists():
        sql.conn.execute("BEGIN IMMEDIATE")  # so that no other process takes up another key
    try:
        has_texts = bool(sql.conn.execute(_HAS_TEXTS).fetchone()[0])
        if has_texts and not home.key.exists():
            raise KeyMissing(home.key, "is gone")
        cipher = Cipher.open(home.key)
        if _mark(sql) != cipher.mark():
            if has_texts:
                raise KeyMissing(home.key, "is not the one its texts were written with")
            sql.conn.execute("INSERT OR REPLACE INTO facts VALUES ('key', ?)", [cipher.mark()])
        sql.commit()
        return cipher
    finally:
        sql.rollback()  # does nothing once committed


_HAS_TEXTS = "SELECT EXISTS (SELECT 1 FROM suggestions) OR EXISTS (SELECT 1 FROM ledger)"


def _mark(sql: sqlite_utils.Database) -> str | None:
    row = sql.conn.execute("SELECT value FROM facts WHERE name = 'key'").fetchone()
    return None if row is None else str(row[0])
