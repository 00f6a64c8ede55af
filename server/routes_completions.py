"""POST /v1/completions and POST /v1/events: suggestions, and what became of them."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import replace

from aiohttp import ClientConnectionResetError, web

from server.completer import Completer
from server.completion_wire import (
    Answer,
    Asked,
    Chunks,
    answer_json,
    parse_completion,
    warmed_json,
)
from server.errors import BadField, UnknownGeneration, UnknownModel
from server.event_stream import open_events, send_event
from server.keys import CONFIG, READINESS, STORE
from server.middleware import error_json, explain
from server.streaming import Piece, stream
from server.wire import read_object
from store import suggestions
from store.records import FATES
from store.stamp import new_id


async def complete(request: web.Request) -> web.StreamResponse:
    asked = parse_completion(await read_object(request), request.app[CONFIG])
    completer = request.app[READINESS].loaded.completer
    asked = _named(completer, asked)
    if asked.is_warming:
        read = await completer.warm(asked)
        return web.json_response(warmed_json(completer.engine.model, read))
    if asked.is_streamed:
        return await _answer_in_pieces(request, completer, asked)
    answer = await completer.complete(asked)
    completer.remember(asked, answer)
    return web.json_response(answer_json(answer))


async def note_event(request: web.Request) -> web.Response:
    fields = await read_object(request)
    suggestion = fields.text("suggestion", most=64)
    fate = fields.choice("event", FATES)
    accepted_chars = fields.whole_or_none("accepted_chars", least=0, most=10_000_000)
    fields.done()
    if accepted_chars is not None and fate not in ("accepted", "partly_accepted"):
        raise BadField("'accepted_chars' goes with 'accepted' or 'partly_accepted' only")
    loaded = request.app[READINESS].loaded_or_none
    if loaded is not None and fate in ("accepted", "partly_accepted", "typed_through"):
        loaded.completer.background.taken(suggestion)
    await request.app[STORE].call(suggestions.set_fate, suggestion, fate, accepted_chars)
    return web.json_response({})


def _named(completer: Completer, asked: Asked) -> Asked:
    """Pinned to the generation it names, as `model` or in `unsay.generation`, if there is one."""
    model, resident = completer.engine.model, completer.engine.generations
    pinned = asked.ask.generation
    if pinned is None and asked.model in resident:
        pinned = asked.model
    elif asked.model not in (None, "", "unsay", model, *resident):
        raise UnknownModel(f"this server has the model '{model}': ask for that, or leave it out")
    if pinned is not None and pinned not in resident:
        raise UnknownGeneration(
            f"that generation is not in memory: ask for one of {', '.join(resident)}, "
            "or leave it out for the serving one"
        )
    return replace(asked, ask=replace(asked.ask, generation=pinned))


async def _answer_in_pieces(
    request: web.Request, completer: Completer, asked: Asked
) -> web.StreamResponse:
    chunks = Chunks(f"cmpl-{new_id()}", int(time.time()), completer.engine.model)
    async with aclosing(stream(completer, asked)) as pieces:
        # until there is something to send an error still has a status of its own
        first = await anext(pieces)
        response = await open_events(request)
        try:
            await _send(response, chunks, asked, first)
            async for piece in pieces:
                await _send(response, chunks, asked, piece)
            await response.write(b"data: [DONE]\n\n")
        except ClientConnectionResetError:
            pass  # nobody reads any more; closing the generator ends the work
        except Exception as error:
            _, code, message = explain(error)
            await send_event(response, error_json(code, message))
    return response


async def _send(
    response: web.StreamResponse, chunks: Chunks, asked: Asked, piece: Piece | Answer
) -> None:
    if isinstance(piece, Piece):
        await send_event(response, chunks.piece(piece.index, piece.text))
        return
    for choice in piece.choices:
        await send_event(response, chunks.end(choice))
    if asked.wants_usage:
        await send_event(response, chunks.usage(piece))
