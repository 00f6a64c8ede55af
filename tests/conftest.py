"""What several test files need: a small real model and a home of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database import Database, open_database
from store.home import Home

sys.path.insert(0, str(Path(__file__).parent))

from tiny_model import build_tiny_model


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """The folder of a two-layer model that knows the files of `tiny_model.FILES` by heart."""
    return build_tiny_model(Path(__file__).parent.parent / "build")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that nothing has been written to yet."""
    return Home(tmp_path / "home")


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    """The open database of `home`."""
    database = open_database(home, wait_s=1.0)
    yield database
    database.close()
