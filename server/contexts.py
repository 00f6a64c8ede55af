"""One start-and-stop generator per resource of the application, in the order of their needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from server.completer import Completer, Rooms
from server.engine.config import EngineConfig
from server.engine.local import open_engine
from server.guard.config import GuardConfig
from server.guard.guard import Guard
from server.keys import CONFIG, HOME, METRICS, READINESS, REFRESHER, STOPPING, STORE
from server.nightly import Nightly
from server.readiness import Loaded
from server.refresher import RefreshCommand, Refresher
from server.serving import Serving
from server.store_thread import StoreThread
from server.unexpected import log_unexpected
from server.watcher import LedgerWatch
from store import suggestions
from store.database import Database
from store.errors import StoreError

Context = Callable[[web.Application], AsyncGenerator[None]]

POLL_S = 1.0
PRUNE_EVERY_S = 24 * 3600.0


def store_context(db: Database) -> Context:
    async def context(app: web.Application) -> AsyncGenerator[None]:
        app[STORE] = StoreThread(db, app[READINESS].trouble)
        yield
        await asyncio.to_thread(app[STORE].close)

    return context


def model_context(engine: EngineConfig, guard: GuardConfig) -> Context:
    """Loads in the background: /health has to answer meanwhile."""

    async def context(app: web.Application) -> AsyncGenerator[None]:
        loading = asyncio.create_task(_load(app, engine, guard))

        def failed(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                app[READINESS].failure = task.exception()
                app[STOPPING].set()

        loading.add_done_callback(failed)
        yield
        await asyncio.wait(
            [loading]
        )  # its thread cannot be stopped, and what it made needs closing
        loaded = app[READINESS].loaded_or_none
        if loaded is not None:
            await loaded.serving.close()
            await asyncio.to_thread(loaded.completer.close)

    return context


async def watch_context(app: web.Application) -> AsyncGenerator[None]:
    """Follows the database, which the command line and a refresh write too."""
    async with _running(app, "watcher", _watch(app)):
        yield


def refresh_context(command: RefreshCommand) -> Context:
    async def context(app: web.Application) -> AsyncGenerator[None]:
        refresher = app[REFRESHER] = Refresher(command, app[STORE])
        nightly = Nightly(
            app[CONFIG].nightly,
            refresher,
            app[STORE],
            partial(_idle_s, app, time.monotonic()),
            app[READINESS].trouble,
        )
        async with _running(app, "nightly", nightly.watch()):
            yield
        await (refresher.stop() if app[CONFIG].stop_refresh_on_exit else refresher.leave())

    return context


async def _load(app: web.Application, engine: EngineConfig, guard: GuardConfig) -> None:
    store, metrics, readiness = app[STORE], app[METRICS], app[READINESS]
    model = await asyncio.to_thread(open_engine, engine)
    checker = await asyncio.to_thread(Guard, guard)
    watch = LedgerWatch(model, checker, metrics.banned)
    metrics.watch(model)
    completer = Completer(Rooms(model, checker, watch, store, metrics), app[CONFIG])
    try:
        await store.call(watch.protect, (model.serving,))
        serving = Serving(app[HOME], model, watch, store, metrics, readiness.trouble)
        await serving.follow()
    except BaseException:
        await asyncio.to_thread(completer.close)
        raise
    readiness.ready(Loaded(completer, serving))


async def _watch(app: web.Application) -> None:
    pruned_at: float | None = None
    while True:
        try:
            if pruned_at is None or time.monotonic() - pruned_at > PRUNE_EVERY_S:
                await app[STORE].call(suggestions.prune, app[CONFIG].retain_days)
                pruned_at = time.monotonic()
            if loaded := app[READINESS].loaded_or_none:
                await loaded.completer.follow_ledger()
                await loaded.serving.follow()
                await loaded.completer.sleep_if_idle()
            app[READINESS].trouble("database", None)
        except StoreError as error:
            app[READINESS].trouble("database", str(error))
        await asyncio.sleep(POLL_S)


def _idle_s(app: web.Application, started: float) -> float:
    loaded = app[READINESS].loaded_or_none
    return time.monotonic() - (loaded.completer.last_asked if loaded else started)


@asynccontextmanager
async def _running(
    app: web.Application, name: str, work: Coroutine[None, None, None]
) -> AsyncGenerator[None]:
    """Runs `work` beside the block; should it ever end by itself, /health says so."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            reference = log_unexpected(error)
            app[READINESS].trouble(
                name, f"The {name} has stopped; see {reference} in the log and restart the server."
            )

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
