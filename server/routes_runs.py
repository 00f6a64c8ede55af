"""/v1/refresh and /v1/runs: start the batch job and follow it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict
from typing import get_args

from aiohttp import ClientConnectionResetError, web

from server.event_stream import open_events, send_event
from server.keys import REFRESHER, STOPPING, STORE
from server.query import Query
from server.store_thread import StoreThread
from server.wire import read_object
from store import runs
from store.records import Run, RunMode

POLL_S = 0.2
SILENCE_S = 15.0


async def start_refresh(request: web.Request) -> web.Response:
    fields = await read_object(request)
    mode: RunMode = fields.choice("mode", get_args(RunMode), "incremental")
    method = fields.text_or_none("method", most=64)
    fields.done()
    run = await request.app[REFRESHER].start(mode, method)
    return web.json_response({"run": asdict(run)}, status=202)


async def list_runs(request: web.Request) -> web.Response:
    query = Query(request)
    limit = query.whole("limit", 20, least=1, most=1_000)
    query.done()
    store = request.app[STORE]
    await store.call(runs.close_interrupted)
    return web.json_response(
        {"runs": [asdict(run) for run in await store.call(runs.list_runs, limit)]}
    )


async def show_run(request: web.Request) -> web.Response:
    store, id = request.app[STORE], request.match_info["id"]
    run = await store.call(runs.get, id)
    items = await store.call(runs.items, id)
    return web.json_response({"run": asdict(run), "items": [asdict(item) for item in items]})


async def follow_run(request: web.Request) -> web.StreamResponse:
    """Each change of the run's row as an event `progress`, the last one as `end`."""
    store, stopping = request.app[STORE], request.app[STOPPING]
    run = await _look(store, request.match_info["id"])
    response = await open_events(request)
    with suppress(ClientConnectionResetError):
        await send_event(response, asdict(run), name="progress")
        silent_s = 0.0
        while run.state == "running" and not stopping.is_set():
            await asyncio.sleep(POLL_S)
            silent_s += POLL_S
            before, run = run, await _look(store, run.id)
            if run != before:
                await send_event(response, asdict(run), name="progress")
                silent_s = 0.0
            elif silent_s >= SILENCE_S:
                await response.write(b": still there\n\n")  # proxies cut a silent line
                silent_s = 0.0
        await send_event(response, asdict(run), name="end")
    return response


async def _look(store: StoreThread, id: str) -> Run:
    run = await store.call(runs.get, id)
    if run.state == "running":
        await store.call(runs.close_interrupted)  # a killed process cannot say that it ended
        run = await store.call(runs.get, id)
    return run
