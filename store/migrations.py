"""The tables, as numbered steps from an empty file; a step that was released never changes."""

from __future__ import annotations

from pathlib import Path

import sqlite_utils

from store.errors import DatabaseDamaged, DatabaseTooNew

# `number` is the order of arrival: it makes "newest first" an index walk. Text that the model said
# or a person wrote is a BLOB: encrypted. References without a foreign key outlive what they name:
# suggestions are pruned and withdrawn items purged, while findings and the story of a run stay.
_FIRST = """
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE suggestions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    model TEXT NOT NULL,
    generation TEXT NOT NULL,
    language TEXT NOT NULL,
    path TEXT,
    text BLOB NOT NULL,
    action TEXT,
    tokens INTEGER NOT NULL,
    took_ms REAL NOT NULL,
    fate TEXT,
    accepted_chars INTEGER
) STRICT;
CREATE INDEX suggestions_by_age ON suggestions (created_at);
CREATE INDEX suggestions_accepted ON suggestions (number)
    WHERE fate IN ('accepted', 'partly_accepted', 'retained');

CREATE TABLE findings (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    suggestion TEXT,
    kind TEXT NOT NULL,
    rule TEXT NOT NULL,
    cwe TEXT,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    message TEXT NOT NULL,
    action TEXT,
    generation TEXT NOT NULL,
    language TEXT NOT NULL,
    path TEXT,
    item TEXT
) STRICT;
CREATE INDEX findings_by_kind ON findings (kind, number);

CREATE TABLE ledger (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('banned', 'forgotten', 'relapsed', 'withdrawn')),
    kind TEXT NOT NULL,
    rule TEXT NOT NULL,
    language TEXT NOT NULL,
    origin TEXT NOT NULL,
    path TEXT,
    prefix BLOB,
    suffix BLOB,
    target BLOB,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    replacement BLOB,
    fingerprint TEXT NOT NULL,
    context TEXT NOT NULL,
    blamed_chars INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    verified_in TEXT,
    forgotten_in TEXT,
    suggestion TEXT,
    message BLOB,
    is_destroyed INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX ledger_live ON ledger (fingerprint, context) WHERE state <> 'withdrawn';
CREATE INDEX ledger_by_state ON ledger (state, number);
CREATE INDEX ledger_by_kind ON ledger (kind, number);

INSERT INTO facts VALUES ('ledger_version', 0);
CREATE TRIGGER ledger_grew AFTER INSERT ON ledger BEGIN
    UPDATE facts SET value = value + 1 WHERE name = 'ledger_version';
END;
CREATE TRIGGER ledger_changed AFTER UPDATE ON ledger BEGIN
    UPDATE facts SET value = value + 1 WHERE name = 'ledger_version';
END;
CREATE TRIGGER ledger_shrank AFTER DELETE ON ledger BEGIN
    UPDATE facts SET value = value + 1 WHERE name = 'ledger_version';
END;

CREATE TABLE adapters (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    parent TEXT NOT NULL,
    digest TEXT NOT NULL,
    base_digest TEXT NOT NULL,
    method TEXT NOT NULL,
    mode TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('candidate', 'rejected', 'passed')),
    run TEXT,
    metrics TEXT NOT NULL
) STRICT;

CREATE TABLE serving (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation TEXT NOT NULL,
    previous TEXT,
    changed_at TEXT NOT NULL
) STRICT;
INSERT INTO serving VALUES (1, 'base', NULL, strftime('%Y-%m-%dT%H:%M:%fZ'));

CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    mode TEXT NOT NULL,
    method TEXT NOT NULL,
    state TEXT NOT NULL,
    phase TEXT NOT NULL,
    done INTEGER NOT NULL,
    total INTEGER NOT NULL,
    message TEXT NOT NULL,
    pid INTEGER NOT NULL,
    candidate TEXT
) STRICT;
CREATE UNIQUE INDEX one_running ON runs (state) WHERE state = 'running';

CREATE TABLE run_items (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    item TEXT NOT NULL,
    probability_before REAL NOT NULL,
    probability_after REAL NOT NULL,
    steps INTEGER NOT NULL,
    seconds REAL NOT NULL,
    leaks INTEGER NOT NULL,
    forgotten INTEGER NOT NULL,
    PRIMARY KEY (run, item)
) STRICT, WITHOUT ROWID;
"""

MIGRATIONS = (_FIRST,)
"""Step n takes a database from version n - 1 to n; the version is SQLite's `user_version`."""


def check_version(sql: sqlite_utils.Database, path: Path) -> int:
    """The version found; raises DatabaseTooNew, or DatabaseDamaged for another program's file."""
    has_tables = bool(sql.table_names())  # asked first: another process may be making ours
    found = int(sql.conn.execute("PRAGMA user_version").fetchone()[0])
    if found > len(MIGRATIONS):
        raise DatabaseTooNew(path, found, len(MIGRATIONS))
    if found == 0 and has_tables:
        raise DatabaseDamaged(path, "it belongs to another program")
    return found


def migrate(sql: sqlite_utils.Database, path: Path) -> None:
    """Bring the tables up to date, all steps or none."""
    if check_version(sql, path) == len(MIGRATIONS):
        return
    sql.conn.execute("BEGIN IMMEDIATE")
    try:
        found = check_version(sql, path)  # another process may have been faster
        for step in MIGRATIONS[found:]:
            sql.executescript(step)
        sql.conn.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        sql.conn.execute("COMMIT")
    finally:
        sql.rollback()  # does nothing once committed
