"""Server-sent events."""

from __future__ import annotations

import json

from aiohttp import web


async def open_events(request: web.Request) -> web.StreamResponse:
    """A response to which `send_event` writes."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )
    await response.prepare(request)
    return response


async def send_event(
    response: web.StreamResponse, value: object, *, name: str | None = None
) -> None:
    """One event with `value` as JSON; without a name it is a plain message."""
    head = "" if name is None else f"event: {name}\n"
    await response.write(f"{head}data: {json.dumps(value)}\n\n".encode())
