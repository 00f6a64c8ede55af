"""What several test files need: a small real model and a home of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.guard.insecure import InsecureDetector
from server.guard.patterns import hint_codes
from server.guard.ruff_server import RuffServer
from store.database import Database, open_database
from store.home import Home

sys.path.insert(0, str(Path(__file__).parent))

from fake_server import FakeServer
from lsp_editor import Editor, shared_desk
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[tuple[FakeServer, Editor]]:
    """A language server with an editor and a stand-in for the server, for all tests of a file."""
    async with shared_desk(tmp_path_factory.mktemp("desk")) as desk:
        yield desk


@pytest.fixture
def fake(desk: tuple[FakeServer, Editor]) -> FakeServer:
    """The stand-in, as if nothing had been asked of it."""
    desk[0].make_fresh()
    return desk[0]


@pytest.fixture
def editor(desk: tuple[FakeServer, Editor], request: pytest.FixtureRequest) -> Editor:
    """The editor, with file names of this test's own."""
    desk[1].page = request.node.name
    desk[1].messages.clear()
    desk[1].progress.clear()
    return desk[1]


@pytest.fixture(scope="module")
def detector() -> Iterator[InsecureDetector]:
    """What finds insecure code, with a ruff of its own and time enough for it."""
    ruff = RuffServer(hint_codes())
    ruff.start()
    assert ruff.wait(20)
    detector = InsecureDetector(ruff, ruff_ms=5000.0, budget_ms=5000.0)
    yield detector
    detector.close()
