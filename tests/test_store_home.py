from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from example_records import suggestion

from store import suggestions
from store.database import Database, open_database
from store.errors import HomeUnwritable
from store.home import Home


@pytest.fixture
def a_mere_user() -> Iterator[None]:
    """Root may write anywhere: for the test it is nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_what_is_made_is_for_its_owner_only(home: Home, db: Database) -> None:
    suggestions.record(db, suggestion())

    modes = {path.name: path.stat().st_mode & 0o777 for path in home.root.iterdir()}

    assert home.root.stat().st_mode & 0o777 == 0o700
    assert modes == {
        "adapters": 0o700,
        "key": 0o600,
        "unsay.db": 0o600,
        "unsay.db-wal": 0o600,
        "unsay.db-shm": 0o600,
    }


def test_a_database_that_others_may_read_is_taken_back(home: Home, db: Database) -> None:
    db.close()
    home.database.chmod(0o644)

    open_database(home).close()

    assert home.database.stat().st_mode & 0o777 == 0o600


def test_a_folder_with_other_things_in_it_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.tex").touch()

    Home(tmp_path).ensure()

    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("place", ["file", "file/below", "file/below/that"])
def test_a_file_in_the_way_of_the_home_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HomeUnwritable, match=f"cannot write to {tmp_path / place}.*UNSAY_HOME"):
        open_database(Home(tmp_path / place))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="has no /proc")
def test_a_file_system_that_takes_no_folders_is_named() -> None:
    with pytest.raises(HomeUnwritable, match="/proc/unsay"):
        open_database(Home(Path("/proc/unsay")))


@pytest.mark.usefixtures("a_mere_user")
def test_a_home_of_someone_else_is_named() -> None:
    with pytest.raises(HomeUnwritable, match="set UNSAY_HOME"):
        open_database(Home(Path("/unsay-home-at-the-root")))


def test_a_home_mounted_read_only_is_named_and_kept(tmp_path: Path) -> None:
    home = Home(tmp_path / "mounted")
    home.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(home.root)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount here")
    try:
        db = open_database(home)
        made = suggestion()
        suggestions.record(db, made)
        db.close()
        subprocess.run(["mount", "-o", "remount,ro", str(home.root)], check=True)

        with pytest.raises(HomeUnwritable, match="read-only"):
            open_database(home)

        subprocess.run(["mount", "-o", "remount,rw", str(home.root)], check=True)
        db = open_database(home)
        assert suggestions.get(db, made.id) == made
        db.close()
    finally:
        subprocess.run(["umount", str(home.root)], check=True)
