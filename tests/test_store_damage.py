from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from example_records import new_item, suggestion
from store_workers import begin, fill_up

from store import ledger, migrations, suggestions
from store.database import Database, open_database
from store.errors import DatabaseDamaged, DatabaseFull, DatabaseTooNew, HomeUnwritable
from store.home import Home


def test_a_full_database_keeps_what_it_has(db: Database) -> None:
    before = ledger.add(db, new_item())
    (row,) = db.rows("PRAGMA page_count")
    db.rows(f"PRAGMA max_page_count = {row['page_count'] + 2}")

    with pytest.raises(DatabaseFull, match=r"took no more .* free some space"):
        ledger.add(db, new_item(prefix="x" * 100_000))

    assert ledger.list_items(db) == [before]
    db.rows("PRAGMA max_page_count = 1000000")
    after = ledger.add(db, new_item(prefix="x" * 100_000))
    assert ledger.list_items(db) == [after, before]


def test_files_that_may_not_grow_keep_what_they_have(home: Home) -> None:
    open_database(home).close()
    writer, here = begin(fill_up, home.root)
    answer: tuple[list[str], str, str] = here.recv()
    writer.join(20)

    kept, message, after = answer
    db = open_database(home)
    db.check()
    stored = [row["id"] for row in db.rows("SELECT id FROM suggestions ORDER BY number")]
    db.close()
    assert "took no more" in message and "Nothing that was saved is lost" in message
    assert len(kept) > 5
    assert stored == [*kept, after]


def test_a_full_disk_keeps_what_it_has(tmp_path: Path) -> None:
    home = Home(tmp_path / "disk")
    home.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(home.root)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount here")
    try:
        db = open_database(home)
        kept = list[str]()
        with pytest.raises(DatabaseFull):
            while len(kept) < 10_000:
                made = suggestion(text="x" * 20_000)
                suggestions.record(db, made)
                kept.append(made.id)
        db.close()

        again = open_database(home)
        again.check()
        stored = [row["id"] for row in again.rows("SELECT id FROM suggestions ORDER BY number")]
        again.close()
        assert len(kept) > 5
        assert stored == kept
    finally:
        subprocess.run(["umount", str(home.root)], check=True)


def test_a_disk_without_room_for_a_home_is_named(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount here")
    try:
        (tmp_path / "filler").write_bytes(b"x" * 4096)

        with pytest.raises((DatabaseFull, HomeUnwritable), match=r"free some space|No space left"):
            open_database(Home(tmp_path))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def _overwrite_all(path: Path) -> None:
    path.write_text("This is not a database, but a letter to the editor.\n" * 100)


def _overwrite_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * 200)


def _overwrite_schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)


@pytest.mark.parametrize("damage", [_overwrite_all, _overwrite_header, _overwrite_schema])
def test_a_file_that_is_no_database_is_named_and_left_alone(
    home: Home, db: Database, damage: Callable[[Path], None]
) -> None:
    db.close()
    damage(home.database)
    content = home.database.read_bytes()

    with pytest.raises(DatabaseDamaged, match=r"unsay.db is damaged .* move it aside"):
        open_database(home)

    assert home.database.read_bytes() == content


@pytest.mark.parametrize("how", ["overwritten", "cut off"])
def test_damage_in_the_middle_is_found_when_it_is_read(home: Home, db: Database, how: str) -> None:
    with db.transaction():
        for _ in range(300):
            suggestions.record(db, suggestion(text="x" * 500, fate="accepted"))
    db.close()
    middle = os.path.getsize(home.database) // 2
    if how == "cut off":
        os.truncate(home.database, middle)
    else:
        with home.database.open("r+b") as file:
            file.seek(middle)
            file.write(os.urandom(20_000))

    with pytest.raises(DatabaseDamaged):
        again = open_database(home)
        suggestions.accepted(again, 1000)
    with pytest.raises(DatabaseDamaged):
        open_database(home).check()


def test_the_database_of_another_program_is_not_touched(home: Home) -> None:
    home.ensure()
    theirs = sqlite3.connect(home.database)
    theirs.execute("CREATE TABLE recipes (name)")
    theirs.close()
    content = home.database.read_bytes()

    with pytest.raises(DatabaseDamaged, match="belongs to another program"):
        open_database(home)

    assert home.database.read_bytes() == content


def test_a_database_of_a_newer_version_is_refused_and_not_touched(home: Home, db: Database) -> None:
    db.write(f"PRAGMA user_version = {len(migrations.MIGRATIONS) + 6}")
    db.close()
    content = home.database.read_bytes()

    with pytest.raises(DatabaseTooNew, match=r"newer Unsay \(schema 7, this one knows 1\): update"):
        open_database(home)

    assert home.database.read_bytes() == content


def test_a_migration_that_fails_leaves_the_old_version(
    home: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = ledger.add(db, new_item())
    db.close()
    steps = migrations.MIGRATIONS
    broken = "CREATE TABLE half (done); DELETE FROM ledger; INSERT INTO nowhere VALUES (1);"
    monkeypatch.setattr(migrations, "MIGRATIONS", (*steps, broken))
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        open_database(home)

    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    again = open_database(home)

    assert ledger.list_items(again) == [item]
    assert "half" not in again.sql.table_names()
    again.close()


def test_an_older_database_is_brought_up_to_date(
    home: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = ledger.add(db, new_item())
    db.close()
    step = "ALTER TABLE ledger ADD COLUMN note TEXT; CREATE TABLE added (x);"
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, step))

    open_database(home).close()
    again = open_database(home)

    assert again.rows("PRAGMA user_version") == [{"user_version": 2}]
    assert ledger.list_items(again) == [item]
    assert "added" in again.sql.table_names()
    again.close()
