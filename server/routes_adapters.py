"""/v1/adapters: the generations, and which one serves."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from server.keys import READINESS, STORE
from server.wire import read_object
from store import adapters


async def list_adapters(request: web.Request) -> web.Response:
    store = request.app[STORE]
    pointer = await store.call(adapters.serving)
    rows = await store.call(adapters.list_adapters)
    return web.json_response(
        {
            "serving": pointer.generation,
            "previous": pointer.previous,
            "adapters": [asdict(adapter) for adapter in rows],
        }
    )


async def promote(request: web.Request) -> web.Response:
    fields = await read_object(request)
    generation = fields.text("generation", most=200)
    expected = fields.text("expected", most=200)
    fields.done()
    report = await request.app[READINESS].loaded.serving.promote(generation, expected)
    return web.json_response(asdict(report))


async def roll_back(request: web.Request) -> web.Response:
    fields = await read_object(request)
    expected = fields.text_or_none("expected", most=200)
    fields.done()
    report = await request.app[READINESS].loaded.serving.rollback(expected)
    return web.json_response(asdict(report))
