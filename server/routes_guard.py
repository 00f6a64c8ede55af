"""/v1/verdicts and /v1/allow: what became of answers later, and what a person lets pass."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import PurePath

from aiohttp import ClientConnectionResetError, web

from server.errors import BadField
from server.event_stream import open_events, send_event
from server.guard.allow_list import AllowList, pattern_of
from server.guard.errors import BadAllowList
from server.keys import READINESS, STOPPING
from server.query import Query
from server.wire import read_object

SILENCE_S = 15.0


async def follow_verdicts(request: web.Request) -> web.StreamResponse:
    """Each suggestion that was answered with `checking`, once it is settled, as `verdict`.

    Begins with those of the last minute, so that nobody needs to listen before asking.
    """
    verdicts = request.app[READINESS].loaded.completer.background.verdicts
    stopping = request.app[STOPPING]
    response = await open_events(request)
    number = 0
    with suppress(ClientConnectionResetError):
        while not stopping.is_set():
            number, fresh = await verdicts.after(number, SILENCE_S)
            for verdict in fresh:
                await send_event(response, verdict.as_json(), name="verdict")
            if not fresh:
                await response.write(b": still there\n\n")
    return response


async def list_allowed(request: web.Request) -> web.Response:
    Query(request).done()
    return web.json_response(_json(_allowed(request)))


async def allow(request: web.Request) -> web.Response:
    """Never report `rule` again: under `folder`, or anywhere."""
    fields = await read_object(request)
    rule, folder = fields.text("rule", most=200), fields.text_or_none("folder", most=4096)
    fields.done()
    if folder is not None and not PurePath(folder).is_absolute():
        raise BadField("'folder' must be an absolute path; leave it out to allow the rule anywhere")
    allowed = _allowed(request)
    try:
        await asyncio.to_thread(allowed.add, rule, pattern_of(folder))
    except BadAllowList as error:
        raise BadField(str(error)) from error
    return web.json_response(_json(allowed), status=201)


def _allowed(request: web.Request) -> AllowList:
    return request.app[READINESS].loaded.completer.allowed


def _json(allowed: AllowList) -> dict[str, object]:
    return {"allowed": {pattern: sorted(rules) for pattern, rules in allowed.table.items()}}
