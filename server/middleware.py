"""Around every handler: count it, check who asks, and give each error its status and one shape."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from aiohttp import web

from server.engine import errors as engine_errors
from server.engine.errors import EngineError
from server.errors import BodyTooLarge, RequestError
from server.guard.errors import GuardError
from server.keys import GATEKEEPER, METRICS
from server.unexpected import log_unexpected
from store import errors as store_errors
from store.errors import StoreError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STORE_STATUS: Mapping[type[StoreError], tuple[int, str]] = MappingProxyType(
    {
        store_errors.NotFound: (404, "not_found"),
        store_errors.NotPassed: (409, "not_passed"),
        store_errors.PromotionConflict: (409, "promotion_conflict"),
        store_errors.RunInProgress: (409, "refresh_running"),
        store_errors.DatabaseLocked: (503, "database_locked"),
        store_errors.DatabaseFull: (507, "database_full"),
        store_errors.DatabaseDamaged: (500, "database_damaged"),
        store_errors.DatabaseTooNew: (500, "database_too_new"),
        store_errors.KeyMissing: (500, "key_missing"),
        store_errors.HomeUnwritable: (500, "home_unwritable"),
    }
)

ENGINE_STATUS: Mapping[type[EngineError], tuple[int, str]] = MappingProxyType(
    {
        engine_errors.AskInvalid: (400, "ask_invalid"),
        engine_errors.NoFim: (400, "no_fim"),
        engine_errors.GenerationGone: (409, "generation_gone"),
        engine_errors.AdapterCorrupt: (409, "adapter_corrupt"),
        engine_errors.AdapterMismatch: (409, "adapter_mismatch"),
        engine_errors.ChangeLost: (409, "change_lost"),
        engine_errors.EngineClosed: (503, "stopping"),
    }
)


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts each answer by its route; the path itself would make a label per ledger item."""
    begun = time.perf_counter()
    status = 499  # the client went away before there was an answer
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        request.app[METRICS].answered(route, request.method, status, time.perf_counter() - begun)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Checks the caller, then turns whatever is raised into an answer."""
    try:
        request.app[GATEKEEPER].check(request)
        if (request.content_length or 0) > request.client_max_size:
            raise BodyTooLarge(request.client_max_size)
        return await handler(request)
    except Exception as error:
        status, code, message = explain(error)
        headers = {"Retry-After": "1"} if status == 503 else None
        if isinstance(error, web.HTTPMethodNotAllowed):
            headers = {"Allow": error.headers.get("Allow", "")}
        return web.json_response(error_json(code, message), status=status, headers=headers)


def explain(error: Exception) -> tuple[int, str, str]:
    """Status, code and message of any error."""
    if isinstance(error, RequestError):
        return error.status, error.code, str(error)
    if isinstance(error, StoreError):
        status, code = STORE_STATUS.get(type(error), (500, "store_error"))
        return status, code, str(error)
    if isinstance(error, EngineError):
        status, code = ENGINE_STATUS.get(type(error), (500, "engine_failed"))
        return status, code, str(error)
    if isinstance(error, GuardError):
        return 500, "guard_failed", str(error)
    if isinstance(error, web.HTTPNotFound):
        return 404, "unknown_route", "there is no such address: the README lists the routes"
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return 405, "wrong_method", f"this address takes {allowed}"
    if isinstance(error, web.HTTPException):
        return error.status, "bad_request", f"the request is not acceptable: {error.reason}"
    reference = log_unexpected(error)
    return 500, "unexpected", f"an unexpected error: see {reference} in the server's log, report it"


def error_json(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}
