"""The server: `serve` runs it until it is told to stop, `build_app` builds it for tests."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress

from aiohttp import web

from server import (
    routes_adapters,
    routes_completions,
    routes_guard,
    routes_ledger,
    routes_runs,
    routes_state,
)
from server.auth import Gatekeeper, read_or_make_token
from server.config import ServerConfig
from server.contexts import model_context, refresh_context, store_context, watch_context
from server.engine.config import EngineConfig
from server.guard.config import GuardConfig
from server.keys import CONFIG, GATEKEEPER, HOME, METRICS, READINESS, STOPPING
from server.listening import announced, only_server, open_port
from server.metrics import Metrics
from server.middleware import answer_errors, count_requests
from server.readiness import Readiness
from server.refresher import RefreshCommand
from store.database import Database, open_database
from store.home import Home

SHUTDOWN_S = 5.0

ROUTES = (
    web.get("/health", routes_state.health),
    web.get("/metrics", routes_state.metrics),
    web.get("/v1/models", routes_state.list_models),
    web.post("/v1/completions", routes_completions.complete),
    web.post("/v1/events", routes_completions.note_event),
    web.get("/v1/ledger", routes_ledger.list_items),
    web.post("/v1/ledger", routes_ledger.add_item),
    web.delete("/v1/ledger/{id}", routes_ledger.withdraw_item),
    web.get("/v1/findings", routes_ledger.list_findings),
    web.get("/v1/verdicts", routes_guard.follow_verdicts),
    web.get("/v1/allow", routes_guard.list_allowed),
    web.post("/v1/allow", routes_guard.allow),
    web.post("/v1/refresh", routes_runs.start_refresh),
    web.get("/v1/runs", routes_runs.list_runs),
    web.get("/v1/runs/{id}", routes_runs.show_run),
    web.get("/v1/runs/{id}/events", routes_runs.follow_run),
    web.get("/v1/adapters", routes_adapters.list_adapters),
    web.post("/v1/adapters/promote", routes_adapters.promote),
    web.post("/v1/adapters/rollback", routes_adapters.roll_back),
)


def serve(
    home: Home,
    server: ServerConfig,
    engine: EngineConfig,
    guard: GuardConfig,
    refresh_command: Sequence[str],
    refresh_environment: Mapping[str, str],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises NotStarted, StoreError, or what the engine finds wrong with the model; the message
    says what to do.
    """
    home.ensure()
    command = RefreshCommand(tuple(refresh_command), dict(refresh_environment))
    with only_server(home):
        database = open_database(home)
        try:
            listener = open_port(server.port)
        except BaseException:
            database.close()
            raise
        app = build_app(home, database, server, engine, guard, command, _port(listener))
        asyncio.run(_run(app, home, listener))


def build_app(
    home: Home,
    database: Database,
    server: ServerConfig,
    engine: EngineConfig,
    guard: GuardConfig,
    command: RefreshCommand,
    port: int,
) -> web.Application:
    """The application for a server on `port`; it closes `database` when it is cleaned up."""
    app = web.Application(
        middlewares=[count_requests, answer_errors], client_max_size=server.max_body_bytes
    )
    app[HOME] = home
    app[CONFIG] = server
    app[GATEKEEPER] = Gatekeeper(read_or_make_token(home), port)
    app[METRICS] = Metrics()
    app[READINESS] = Readiness()
    app[STOPPING] = asyncio.Event()
    app.router.add_routes(ROUTES)
    app.cleanup_ctx.extend(
        (
            store_context(database),
            model_context(engine, guard),
            watch_context,
            refresh_context(command),
        )
    )
    app.on_shutdown.append(_end_requests)
    return app


def build_runner(app: web.Application) -> web.AppRunner:
    """Runs `app`; a client that goes away cancels what was done for it."""
    return web.AppRunner(
        app, handler_cancellation=True, access_log=None, shutdown_timeout=SHUTDOWN_S
    )


async def _run(app: web.Application, home: Home, listener: socket.socket) -> None:
    loop, stopping = asyncio.get_running_loop(), app[STOPPING]
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows ends us by other means
            loop.add_signal_handler(number, stopping.set)
    runner = build_runner(app)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        with announced(home, _port(listener)):
            await stopping.wait()
    finally:
        await runner.cleanup()
    failure = app[READINESS].failure
    if failure is not None:
        raise failure


async def _end_requests(app: web.Application) -> None:
    app[STOPPING].set()  # ends the event streams
    if loaded := app[READINESS].loaded_or_none:
        loaded.completer.stop()


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
