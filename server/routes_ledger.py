"""/v1/ledger and /v1/findings: what to forget, and what was flagged."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from server.errors import BadField
from server.keys import READINESS, STORE
from server.preview import preview
from server.query import Query
from server.wire import Fields, read_object
from store import findings, ledger
from store.records import ITEM_STATES, KINDS, Item, Kind, NewItem


async def add_item(request: web.Request) -> web.Response:
    new = _parse_item(await read_object(request))
    item = await request.app[STORE].call(ledger.add, new)
    await _follow(request)
    return web.json_response(item_json(item), status=201)


async def list_items(request: web.Request) -> web.Response:
    query = Query(request)
    state = query.choice("state", ITEM_STATES)
    kind = query.choice("kind", KINDS)
    limit = query.whole("limit", 200, least=1, most=100_000)
    query.done()
    items = await request.app[STORE].call(
        ledger.list_items, states=None if state is None else [state], kind=kind, limit=limit
    )
    return web.json_response({"items": [item_json(item) for item in items]})


async def withdraw_item(request: web.Request) -> web.Response:
    item = await request.app[STORE].call(ledger.withdraw, request.match_info["id"])
    await _follow(request)
    return web.json_response(item_json(item))


async def list_findings(request: web.Request) -> web.Response:
    query = Query(request)
    kind = query.choice("kind", KINDS)
    limit = query.whole("limit", 100, least=1, most=10_000)
    query.done()
    store = request.app[STORE]
    rows = await store.call(findings.list_findings, kind=kind, limit=limit)
    counts = await store.call(findings.counts)
    return web.json_response({"findings": [asdict(row) for row in rows], "counts": counts})


def item_json(item: Item) -> dict[str, object]:
    """An item without its texts."""
    return {
        "id": item.id,
        "created_at": item.created_at,
        "state": item.state,
        "kind": item.kind,
        "rule": item.rule,
        "language": item.language,
        "path": item.path,
        "origin": item.origin,
        "blamed_chars": item.blamed_chars,
        "preview": preview(item),
        "verified": item.verified,
        "forgotten_in": item.forgotten_in,
        "message": item.message,
    }


def _parse_item(fields: Fields) -> NewItem:
    target = fields.text("target", most=100_000)
    start = fields.whole("start", 0, least=0, most=len(target))
    end = fields.whole("end", len(target), least=0, most=len(target))
    kind: Kind = fields.choice("kind", KINDS, "user")
    try:
        new = NewItem(
            prefix=fields.text("prefix"),
            suffix=fields.text("suffix"),
            target=target,
            start=start,
            end=end,
            kind=kind,
            rule=fields.text_or_none("rule", most=200) or kind,
            language=fields.text_or_none("language", most=64) or "python",
            origin="person",
            path=fields.text_or_none("path", most=4096),
            replacement=fields.text_or_none("replacement", most=100_000),
            suggestion=fields.text_or_none("suggestion", most=64),
            message=fields.text_or_none("message", most=2_000),
        )
    except ValueError as error:
        raise BadField(f"{error}: mark the text that should not be said") from error
    fields.done()
    return new


async def _follow(request: web.Request) -> None:
    loaded = request.app[READINESS].loaded_or_none
    if loaded is not None:
        await loaded.completer.follow_ledger()
