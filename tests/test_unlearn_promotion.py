"""Who moves the serving pointer: the server where one answers, else the store."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from store import adapters
from store.database import Database, open_database
from store.home import Home
from store.records import BASE, Adapter
from unlearn.errors import PromotionRefused
from unlearn.promotion import promote

NAME = "g000001-0123abcd"
Asked = list[tuple[str, str | None, Any]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "unsay")


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    db = open_database(home)
    adapter = Adapter(
        name=NAME,
        created_at="2026-01-01T00:00:00.000Z",
        parent=BASE,
        digest="d",
        base_digest="b",
        method="span_prod",
        mode="incremental",
        state="passed",
        run=None,
        metrics={},
    )
    adapters.add(db, adapter)
    yield db
    db.close()


@contextmanager
def answering(home: Home, status: int, body: object) -> Generator[Asked]:
    """A server on the loopback that gives every request one answer."""
    asked: Asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            sent = json.loads(self.rfile.read(length))
            asked.append((self.path, self.headers["Authorization"], sent))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home.token.write_text("a-token\n")
    home.address.write_text(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}))
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_answers_does_it_itself(home: Home, db: Database) -> None:
    report = {"generation": NAME, "previous": BASE, "prepare_ms": 4.0, "pause_ms": 0.25}
    with answering(home, 200, report) as asked:
        said = promote(home, db, NAME, expected=BASE)

    sent = {"generation": NAME, "expected": BASE}
    assert asked == [("/v1/adapters/promote", "Bearer a-token", sent)]
    assert said == f"{NAME} serves now, after a pause of 0.2 ms"
    assert adapters.serving(db).generation == BASE


def test_without_a_server_the_store_does_it(home: Home, db: Database) -> None:
    said = promote(home, db, NAME, expected=BASE)

    assert adapters.serving(db).generation == NAME
    assert "from the next start on" in said


def test_an_address_where_nobody_answers_is_no_server(home: Home, db: Database) -> None:
    with answering(home, 200, {}):
        pass  # the address stays behind, as after a crash

    promote(home, db, NAME, expected=BASE)

    assert adapters.serving(db).generation == NAME


def test_a_server_that_is_still_loading_finds_the_pointer_moved(home: Home, db: Database) -> None:
    with answering(home, 503, {"error": {"code": "loading", "message": "wait"}}):
        promote(home, db, NAME, expected=BASE)

    assert adapters.serving(db).generation == NAME


def test_what_the_server_refuses_is_not_done_behind_its_back(home: Home, db: Database) -> None:
    body = {"error": {"code": "promotion_conflict", "message": "Another one serves."}}
    with (
        answering(home, 409, body),
        pytest.raises(PromotionRefused, match=r"was not promoted: Another one serves\."),
    ):
        promote(home, db, NAME, expected=BASE)

    assert adapters.serving(db).generation == BASE


def test_a_pointer_that_moved_meanwhile_is_left_alone(home: Home, db: Database) -> None:
    with pytest.raises(PromotionRefused, match="is serving, not 'g000009-aaaaaaaa' as expected"):
        promote(home, db, NAME, expected="g000009-aaaaaaaa")

    assert adapters.serving(db).generation == BASE
