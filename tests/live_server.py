"""A real server on a real port for one test, with the tiny model in a home of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from tiny_model import FILES

from server.app import build_app, build_runner
from server.config import NightlyConfig, ServerConfig
from server.engine.config import EngineConfig
from server.guard.config import GuardConfig
from server.keys import READINESS
from server.listening import open_port
from server.refresher import RefreshCommand
from store.database import Database, open_database
from store.home import Home

QUIET = NightlyConfig(window=None)
GUARD = GuardConfig(index_packages=False)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def error(self) -> str:
        return self.body["error"]["code"]

    @property
    def choice(self) -> Any:
        return self.body["choices"][0]

    @property
    def text(self) -> str:
        return self.choice["text"]


@dataclass(frozen=True)
class LiveServer:
    """The server and a client of it."""

    app: web.Application
    home: Home
    port: int
    client: aiohttp.ClientSession
    db: Database
    """A connection of the test's own, as another process would have it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def loaded(self) -> Any:
        return self.app[READINESS].loaded

    async def call(
        self,
        method: str,
        route: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        data: Any = None,
    ) -> Reply:
        """With the token, unless `headers` says otherwise."""
        given = {"Authorization": f"Bearer {self.home.token.read_text()}", **(headers or {})}
        if body is not None:
            data = json.dumps(body)
        async with self.client.request(
            method, self.url + route, data=data, headers=given
        ) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return Reply(answer.status, json.loads(text) if is_json else text, dict(answer.headers))

    async def complete(self, prefix: str, suffix: str | None = None, **fields: Any) -> Reply:
        ask = {"prompt": prefix, "suffix": suffix, **fields}
        return await self.call("POST", "/v1/completions", ask)

    async def complete_known(self, name: str, **fields: Any) -> Reply:
        """What the tiny model knows by heart under `name`."""
        prefix, _, suffix = FILES[name]
        return await self.complete(prefix, suffix, **fields)

    async def events(self, route: str, body: object = None) -> list[tuple[str | None, Any]]:
        """All server-sent events of an answer, as (name, data)."""
        method = "GET" if body is None else "POST"
        headers = {"Authorization": f"Bearer {self.home.token.read_text()}"}
        async with self.client.request(
            method, self.url + route, json=body, headers=headers
        ) as answer:
            assert answer.status == 200, await answer.text()
            return _events(await answer.text())


@asynccontextmanager
async def live_server(
    root: Path,
    model: Path,
    *,
    server: ServerConfig | None = None,
    guard: GuardConfig = GUARD,
    refresh: Sequence[str] = ("false",),
    environment: dict[str, str] | None = None,
    is_ready: bool = True,
    wait_s: float = 5.0,
) -> AsyncGenerator[LiveServer]:
    """Runs until the block ends; `is_ready` False does not wait for the model.

    `wait_s` is how long the server waits for another process that writes the database.
    """
    home = Home(root)
    home.ensure()
    listener = open_port(0)
    port: int = listener.getsockname()[1]
    app = build_app(
        home,
        open_database(home, wait_s=wait_s),
        server or ServerConfig(nightly=QUIET),
        EngineConfig(model=str(model), device="cpu", threads=1),
        guard,
        RefreshCommand(refresh, environment or {"PATH": "/usr/bin:/bin"}),
        port,
    )
    runner = build_runner(app)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    db = open_database(home)
    try:
        async with aiohttp.ClientSession() as client:
            live = LiveServer(app, home, port, client, db)
            if is_ready:
                await _until_ready(live)
            yield live
    finally:
        db.close()
        await runner.cleanup()


async def _until_ready(live: LiveServer) -> None:
    give_up = time.monotonic() + 60
    while (await live.call("GET", "/health")).body["status"] == "loading":
        failure = live.app[READINESS].failure
        if failure is not None:
            raise failure
        assert time.monotonic() < give_up, "the server is not ready after a minute"
        await asyncio.sleep(0.01)


def _events(text: str) -> list[tuple[str | None, Any]]:
    found: list[tuple[str | None, Any]] = []
    for block in text.split("\n\n"):
        name: str | None = None
        for line in block.splitlines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
                found.append((name, data if data == "[DONE]" else json.loads(data)))
    return found
