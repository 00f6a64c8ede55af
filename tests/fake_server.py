"""Stands in for the HTTP server: its routes and shapes, with scripted suggestions and a record of
every request."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

Body = dict[str, Any]
TOKEN = "t0ken"


def mark(**given: Any) -> Body:
    """A finding as the server writes it."""
    return {
        "kind": "insecure",
        "rule": "S501",
        "cwe": "CWE-295",
        "start": 0,
        "end": 1,
        "message": "certificates are not checked",
        "replacement": None,
        "severity": "medium",
    } | given


def choice(text: str, **ours: Any) -> Body:
    """One choice; `ours` goes under `unsay`."""
    return {
        "text": text,
        "unsay": {"action": None, "reason": None, "findings": [], "marks": []} | ours,
    }


@dataclass
class FakeServer:
    """What it answers, settable, and what it was asked."""

    home: Path
    say: Callable[[Body], list[Body]] = lambda body: [choice("pass")]
    """From a completion request to its choices."""
    delay_s: float = 0.0
    generation: str = "base"
    status: str = "ok"
    token: str = TOKEN
    bad_answer: str | None = None
    """Answered in place of a completion."""
    unknown_field: str | None = None
    """A field of ours that it does not know."""
    run_states: list[Body] = field(default_factory=list[Body])
    warmed: list[Body] = field(default_factory=list[Body])
    """The bodies of the requests that only warm."""
    asked: list[Body] = field(default_factory=list[Body])
    """The bodies of the completion requests."""
    cancelled: int = 0
    events: list[Body] = field(default_factory=list[Body])
    items: list[Body] = field(default_factory=list[Body])
    """The bodies of the ledger's POSTs."""
    taken_back: list[str] = field(default_factory=list[str])
    refreshes: list[Body] = field(default_factory=list[Body])
    requests: list[str] = field(default_factory=list[str])
    """Every request but /health, as "METHOD path"."""
    fresh: int = 0
    """How often it was made fresh; part of the suggestions' ids."""

    @property
    def told(self) -> list[str]:
        """The events, as "suggestion event"."""
        return [
            f"{event['suggestion'].partition('/')[2]} {event['event']}" for event in self.events
        ]

    def make_fresh(self) -> None:
        """As it was at first, for the next test on the same port."""
        kept = FakeServer(self.home, token=self.token, fresh=self.fresh + 1)
        self.__dict__.update(kept.__dict__)

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncGenerator[FakeServer]:
        app = web.Application(middlewares=[self._check])
        app.add_routes(
            [
                web.get("/health", self._health),
                web.post("/v1/completions", self._complete),
                web.post("/v1/events", self._event),
                web.post("/v1/ledger", self._add),
                web.delete("/v1/ledger/{id}", self._withdraw),
                web.post("/v1/refresh", self._refresh),
                web.get("/v1/runs/{id}/events", self._progress),
            ]
        )
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.publish(runner.addresses[0][1])
        try:
            yield self
        finally:
            await runner.cleanup()

    def publish(self, port: int) -> None:
        self.home.mkdir(exist_ok=True)
        (self.home / "token").write_text(self.token)
        address = {"url": f"http://127.0.0.1:{port}", "pid": os.getpid(), "version": "0.1.0"}
        (self.home / "server.json").write_text(json.dumps(address))

    @web.middleware
    async def _check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path != "/health":
            self.requests.append(f"{request.method} {request.path}")
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                return _error(401, "wrong_token", "the token is wrong: read it from the home")
        return await handler(request)

    async def _health(self, request: web.Request) -> web.Response:
        body = {
            "status": self.status,
            "model": "fake",
            "generation": self.generation,
            "reason": None,
            "version": "0.1.0",
        }
        return web.json_response(body, status=503 if self.status == "loading" else 200)

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.unknown_field in body["unsay"]:
            return _error(
                400, "unknown_field", f"unsay.{self.unknown_field} is unknown: leave it out"
            )
        if body["unsay"].get("warm"):
            self.warmed.append(body)
            return web.json_response({"choices": []})
        self.asked.append(body)
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.bad_answer is not None:
            return web.Response(text=self.bad_answer)
        said = self.say(body)
        return web.json_response(
            {"choices": [self._choice(i, each) for i, each in enumerate(said)]}
        )

    def _choice(self, index: int, said: Body) -> Body:
        ours = {
            "suggestion": f"{self.fresh}/s{len(self.asked)}-{index}",
            "generation": self.generation,
        }
        return {
            "index": index,
            "text": said["text"],
            "finish_reason": "stop",
            "logprobs": None,
            "unsay": ours | said["unsay"],
        }

    async def _event(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        return web.json_response({})

    async def _add(self, request: web.Request) -> web.Response:
        self.items.append(await request.json())
        item = {"id": f"item{len(self.items)}", "state": "banned", "kind": "user"}
        return web.json_response(item, status=201)

    async def _withdraw(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        if id not in [f"item{i + 1}" for i in range(len(self.items))]:
            return _error(404, "not_found", f"there is no item '{id}': see `unsay ledger`")
        self.taken_back.append(id)
        return web.json_response({"id": id, "state": "withdrawn"})

    async def _refresh(self, request: web.Request) -> web.Response:
        if not self.run_states:
            return _error(409, "refresh_running", "a refresh runs already: wait for its end")
        self.refreshes.append(await request.json())
        return web.json_response({"run": self.run_states[0]}, status=202)

    async def _progress(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for i, run in enumerate(self.run_states):
            name = "end" if i == len(self.run_states) - 1 else "progress"
            await response.write(f": tick\n\nevent: {name}\ndata: {json.dumps(run)}\n\n".encode())
            await asyncio.sleep(0.05)
        return response


def run_state(**given: Any) -> Body:
    """A refresh as the server writes it."""
    return {
        "id": "r1",
        "started_at": "2026-01-01T00:00:00.000Z",
        "finished_at": None,
        "mode": "incremental",
        "method": "span_prod",
        "state": "running",
        "phase": "select",
        "done": 0,
        "total": 0,
        "message": "",
        "pid": 1,
        "candidate": None,
    } | given


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
