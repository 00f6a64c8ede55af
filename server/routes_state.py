"""/health, /metrics and /v1/models: what is there and how it is."""

from __future__ import annotations

from aiohttp import web

from server import VERSION
from server.keys import METRICS, READINESS


async def health(request: web.Request) -> web.Response:
    readiness = request.app[READINESS]
    loaded = readiness.loaded_or_none
    return web.json_response(
        {
            "status": readiness.status,
            "model": loaded.completer.engine.model if loaded else None,
            "generation": loaded.completer.engine.serving if loaded else None,
            "engine": loaded.completer.engine.state if loaded else None,
            "reason": readiness.reason,
            "guard": dict(loaded.completer.guard_status()) if loaded else {},
            "background": loaded.completer.background.status() if loaded else {},
            "version": VERSION,
        },
        status=200 if loaded else 503,
    )


async def list_models(request: web.Request) -> web.Response:
    """As OpenAI lists them; each resident generation names the model as its parent."""
    engine = request.app[READINESS].loaded.completer.engine
    created = int(request.app[READINESS].ready_at)
    rows: list[dict[str, object]] = [
        {"id": name, "root": engine.model, "parent": parent, "serving": is_serving}
        for name, parent, is_serving in (
            (engine.model, None, True),
            *((name, engine.model, name == engine.serving) for name in engine.generations),
        )
    ]
    common: dict[str, object] = {"object": "model", "created": created, "owned_by": "unsay"}
    return web.json_response({"object": "list", "data": [row | common for row in rows]})


async def metrics(request: web.Request) -> web.Response:
    return web.Response(
        body=request.app[METRICS].text(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )
