"""What can go wrong with the store, and the one place where SQLite's errors become ours.

    StoreError
    ├── HomeUnwritable      the folder of Unsay's state cannot be made or written
    ├── DatabaseLocked      another process held the database for longer than we wait
    ├── DatabaseFull        the disk took no more: full, over quota or failing
    ├── DatabaseDamaged     the file is not a database, or not a whole one
    ├── DatabaseTooNew      written by a newer Unsay
    ├── KeyMissing          the texts are encrypted with a key that is gone or another one
    ├── NotFound            no row of that id or name
    ├── NotPassed           the generation has not passed its gate
    ├── PromotionConflict   another generation is serving than the caller expected
    └── RunInProgress       a refresh is running

After any of them everything that was committed before is still there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from store.records import Run, Serving


class StoreError(Exception):
    """Anything the store refuses or cannot do; the message says what to do about it."""


class HomeUnwritable(StoreError):
    """The folder of Unsay's state cannot be made or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"Unsay cannot write to {path} ({reason}): make that folder writable, "
            "or set UNSAY_HOME to one that is."
        )


class DatabaseLocked(StoreError):
    """Another process held the database for longer than we wait."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is in use by another process: close what holds it (a backup, a database "
            "browser, a stopped Unsay) and try again. Nothing that was saved is lost."
        )


class DatabaseFull(StoreError):
    """The disk took no more: full, over quota or failing."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"The disk took no more of {path} ({reason}): free some space, check quota and disk, "
            "and try again. Nothing that was saved is lost."
        )


class DatabaseDamaged(StoreError):
    """The file is not a database, or not a whole one."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} is damaged ({reason}): stop Unsay and put back a copy of the file, or move "
            "it aside together with its -wal and -shm files to start with an empty ledger."
        )


class DatabaseTooNew(StoreError):
    """Written by a newer Unsay."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            f"{path} was written by a newer Unsay (schema {found}, this one knows {known}): "
            "update Unsay, or set UNSAY_HOME to another folder."
        )


class KeyMissing(StoreError):
    """The texts are encrypted with a key that is gone or another one."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"The key of the database, {path}, {reason}: put back the file that was there, "
            "or move unsay.db aside to start with an empty ledger."
        )


class NotFound(StoreError):
    """No row of that id or name."""

    def __init__(self, noun: str, name: str, hint: str) -> None:
        super().__init__(f"There is no {noun} '{name}': {hint}.")


class NotPassed(StoreError):
    """The generation has not passed its gate."""

    def __init__(self, name: str, state: str) -> None:
        super().__init__(
            f"Generation '{name}' is {state} and only one that passed its gate can serve: "
            "see `unsay adapters`, or run `unsay refresh` for a new one."
        )


class PromotionConflict(StoreError):
    """Another generation is serving than the caller expected; `serving` is the pointer as found."""

    def __init__(self, serving: Serving, expected: str) -> None:
        super().__init__(
            f"Generation '{serving.generation}' is serving, not '{expected}' as expected: "
            "look at `unsay adapters` and decide again."
        )
        self.serving = serving


class RunInProgress(StoreError):
    """A refresh is running; `run` is what it is doing."""

    def __init__(self, run: Run) -> None:
        super().__init__(
            f"A refresh is running since {run.started_at} (process {run.pid}, {run.phase}): "
            "wait until it has ended."
        )
        self.run = run


@contextmanager
def explained(database: Path) -> Generator[None]:
    """Raises SQLite's errors that a user can do something about as one of ours."""
    try:
        yield
    except sqlite3.Error as error:
        ours = _explain(error, database)
        if ours is None:
            raise  # a mistake in our SQL: nothing to tell a user
        raise ours from error


_WRITE_FAILURES = frozenset(
    {
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMMAP,
    }
)


def _explain(error: sqlite3.Error, database: Path) -> StoreError | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # the driver's own errors have no code; undecodable text is the one that a file can cause
        is_text = isinstance(error, sqlite3.OperationalError) and "decode" in str(error)
        return DatabaseDamaged(database, str(error)) if is_text else None
    match code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return DatabaseLocked(database)
        case sqlite3.SQLITE_FULL:
            return DatabaseFull(database, str(error))
        case sqlite3.SQLITE_IOERR if code in _WRITE_FAILURES:
            return DatabaseFull(database, str(error))
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DatabaseDamaged(database, str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return HomeUnwritable(database.parent, str(error))
        case _:
            return None
