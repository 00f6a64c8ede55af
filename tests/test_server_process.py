"""The server as a process: starting, refusing to start, stopping, and being killed."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from serve_process import start_process
from tiny_model import FILES

from benchmarks.random_generation import make_generation
from server.app import serve
from server.config import ServerConfig
from server.engine.config import EngineConfig
from server.engine.errors import ModelNotFound
from server.errors import AlreadyServing, PortTaken
from server.guard.config import GuardConfig
from server.listening import announced, known_url, only_server
from store import adapters, runs
from store.database import open_database
from store.errors import HomeUnwritable
from store.home import Home
from store.records import BASE

PREFIX, MEAN, SUFFIX = FILES["mean"]


@dataclass(frozen=True)
class Process:
    """A running server and a client of it."""

    child: BaseProcess
    home: Home

    def call(self, method: str, route: str, body: object = None) -> Any:
        about = json.loads(self.home.address.read_text())
        request = Request(
            about["url"] + route,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.home.token.read_text()}"},
        )
        with urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def text(self) -> tuple[str, str]:
        """What it says about the mean, and the generation that says it."""
        body = self.call("POST", "/v1/completions", {"prompt": PREFIX, "suffix": SUFFIX})
        choice = body["choices"][0]
        return choice["text"], choice["unsay"]["generation"]


@contextmanager
def process(home: Home, model: Path) -> Generator[Process]:
    """Ends however the block left it; killed if need be."""
    child = start_process(home, model)
    try:
        running = Process(child, home)
        _wait_until_ready(running)
        yield running
    finally:
        child.kill()
        child.join()
        child.close()


def start_here(home: Path, *, port: int = 0, model: str | None = None) -> None:
    """In this process: for starts that fail."""
    serve(
        Home(home),
        ServerConfig(port=port),
        EngineConfig(model=model, device="cpu"),
        GuardConfig(index_packages=False),
        refresh_command=("false",),
        refresh_environment={},
    )


def test_a_server_announces_itself_and_leaves_nothing_behind_when_told_to_stop(
    tmp_path: Path, tiny_model: Path
) -> None:
    home = Home(tmp_path / "home")
    with process(home, tiny_model) as running:
        about = json.loads(home.address.read_text())
        mode = stat.S_IMODE(home.address.stat().st_mode)
        said = running.text()
        with pytest.raises(AlreadyServing) as refused:
            start_here(home.root, model=str(tiny_model))

        running.child.terminate()
        running.child.join(15)
        code, pid = running.child.exitcode, running.child.pid

    assert said == (MEAN, BASE)
    assert about["pid"] == pid
    assert set(about) == {"url", "pid", "version", "started_at"}
    assert mode == 0o600
    assert refused.value.url == about["url"]
    assert about["url"] in str(refused.value)
    assert code == 0
    assert not home.address.exists()


def test_an_open_event_stream_does_not_keep_the_server_from_stopping(
    tmp_path: Path, tiny_model: Path
) -> None:
    home = Home(tmp_path)
    with process(home, tiny_model) as running:
        db = open_database(home)
        run = runs.start(db, "incremental", "prod", os.getpid())
        db.close()
        url = json.loads(home.address.read_text())["url"]
        headers = {"Authorization": f"Bearer {home.token.read_text()}"}
        with urlopen(Request(f"{url}/v1/runs/{run.id}/events", headers=headers)) as stream:
            stream.readline()
            begun = time.monotonic()
            running.child.terminate()
            running.child.join(15)
            code = running.child.exitcode

    assert code == 0
    assert time.monotonic() - begun < 5


def test_a_server_killed_between_swap_and_pointer_serves_the_old_generation_afterwards(
    tmp_path: Path, tiny_model: Path
) -> None:
    home = Home(tmp_path)
    db = open_database(home)
    name = make_generation(db, home, tiny_model, 1)

    with (
        process(home, tiny_model) as running,
        db.transaction(),  # the pointer cannot move while this one writes
        _asked_to_promote(running, name, BASE),
    ):
        while running.call("GET", "/health")["generation"] != name:
            time.sleep(0.01)
        running.child.kill()
        running.child.join()
    with process(home, tiny_model) as running:
        health = running.call("GET", "/health")
        said = running.text()
    pointer = adapters.serving(db).generation
    db.close()

    assert (health["status"], health["generation"], pointer) == ("ok", BASE, BASE)
    assert said == (MEAN, BASE)


def test_a_server_killed_at_any_moment_of_a_promotion_serves_the_old_or_the_new_one_afterwards(
    tmp_path: Path, tiny_model: Path
) -> None:
    home = Home(tmp_path)
    db = open_database(home)
    names = [make_generation(db, home, tiny_model, seed) for seed in (1, 2)]
    texts = {BASE: MEAN}
    before = BASE

    for name, delay_ms in zip(names, (8, 40), strict=True):
        with process(home, tiny_model) as running:
            text, serving = running.text()
            assert (serving, texts.setdefault(serving, text)) == (before, text)
            with _asked_to_promote(running, name, before):
                time.sleep(delay_ms / 1000)
                running.child.kill()
                running.child.join()
        pointer = adapters.serving(db).generation
        assert pointer in (before, name)
        before = pointer

    with process(home, tiny_model) as running:
        health = running.call("GET", "/health")
    db.close()
    assert (health["status"], health["generation"]) == ("ok", before)


def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path, tiny_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port: int = other.getsockname()[1]
        with pytest.raises(PortTaken) as refused:
            start_here(tmp_path, port=port, model=str(tiny_model))

    assert str(refused.value) == (
        f"port {port} is taken by another program: choose another with --port, "
        "or --port 0 for any free one"
    )
    with only_server(Home(tmp_path)):
        pass  # the failed start has let go of the home


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(HomeUnwritable, match="UNSAY_HOME"):
        start_here(tmp_path / "file" / "home", model=str(tiny_model))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_home_is_named(tmp_path: Path, tiny_model: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(HomeUnwritable, match="UNSAY_HOME"):
        start_here(tmp_path, model=str(tiny_model))

    tmp_path.chmod(0o700)


def test_a_missing_model_ends_the_server_with_its_message(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no-such-model"):
        start_here(tmp_path, model=str(tmp_path / "no-such-model"))

    assert known_url(Home(tmp_path)) is None


def test_an_address_left_by_a_killed_server_is_written_over(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.address.write_text('{"url": "http://127.0.0.1:1", "pid": 1}')

    with announced(home, 4321) as url:
        assert known_url(home) == url == "http://127.0.0.1:4321"

    assert not home.address.exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"url": 3}'])
def test_an_address_that_cannot_be_read_is_no_address(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content)

    assert known_url(Home(tmp_path)) is None


@contextmanager
def _asked_to_promote(running: Process, name: str, expected: str) -> Generator[None]:
    """The request has been sent, and nobody waits for its answer."""
    about = json.loads(running.home.address.read_text())
    host, port = about["url"].removeprefix("http://").split(":")
    body = json.dumps({"generation": name, "expected": expected}).encode()
    head = (
        f"POST /v1/adapters/promote HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: Bearer {running.home.token.read_text()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        yield


def _wait_until_ready(running: Process) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        assert running.child.is_alive(), "the server ended: see its message above"
        try:
            if running.call("GET", "/health")["status"] != "loading":
                return
        except (OSError, ValueError, HTTPError):
            pass
        time.sleep(0.05)
    raise AssertionError("the server is not ready after a minute")
