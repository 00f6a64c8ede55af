"""Streams carry only what the guard has cleared."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from live_server import LiveServer, live_server
from tiny_model import FILES

from store import suggestions


@pytest_asyncio.fixture
async def server(tmp_path: Path, tiny_model: Path) -> AsyncGenerator[LiveServer]:
    async with live_server(tmp_path, tiny_model) as live:
        yield live


async def stream_of(server: LiveServer, name: str, **fields: Any) -> list[Any]:
    prefix, _, suffix = FILES[name]
    ask = {"prompt": prefix, "suffix": suffix, "stream": True, **fields}
    events = await server.events("/v1/completions", ask)
    assert events[-1] == (None, "[DONE]")
    return [data for _, data in events[:-1]]


def text_of(chunks: list[Any], index: int = 0) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(choice["text"] for choice in choices if choice["index"] == index)


async def test_a_clean_stream_says_what_the_model_says(server: LiveServer) -> None:
    chunks = await stream_of(server, "mean")

    end = chunks[-1]["choices"][0]
    assert text_of(chunks) == FILES["mean"][1]
    assert (end["text"], end["finish_reason"]) == ("", "stop")
    assert (end["unsay"]["action"], end["unsay"]["generation"]) == (None, "base")
    assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}
    assert [choice["finish_reason"] for choice in chunks[0]["choices"]] == [None]


async def test_lines_leave_before_the_whole_is_there(server: LiveServer) -> None:
    prefix, target, suffix = FILES["point"]
    ask = {"prompt": "class Point:\n", "stream": True, "max_tokens": 80}
    del prefix, target, suffix

    events = await server.events(
        "/v1/completions", ask | {"unsay": {"stop_rules": False, "bans": False}}
    )

    pieces = [data for _, data in events[:-1] if data["choices"][0]["text"]]
    assert len(pieces) > 1
    assert all(piece["choices"][0]["text"].endswith("\n") for piece in pieces[:-1])


@pytest.mark.parametrize("name", ["aws", "github"])
async def test_a_secret_never_leaks_through_a_stream(server: LiveServer, name: str) -> None:
    secret = FILES[name][1]

    chunks = await stream_of(server, name, unsay={"bans": False})

    end = chunks[-1]["choices"][0]
    assert end["unsay"]["findings"]
    assert end["unsay"]["action"] in ("blocked", "patched")
    for length in range(8, len(secret) + 1):
        assert secret[:length] not in text_of(chunks)


async def test_alternatives_are_streamed_side_by_side(server: LiveServer) -> None:
    chunks = await stream_of(server, "mean", n=2, seed=1)

    ends = [c for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]
    assert [end["index"] for end in ends] == [0, 1]
    assert text_of(chunks, 0) == FILES["mean"][1]


async def test_a_stream_ends_with_the_usage_where_asked(server: LiveServer) -> None:
    chunks = await stream_of(server, "mean", stream_options={"include_usage": True})

    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0


async def test_what_was_streamed_is_what_is_recorded(server: LiveServer) -> None:
    chunks = await stream_of(server, "mean")

    await server.call("GET", "/v1/ledger")  # asked for after it, so done after it
    id = chunks[-1]["choices"][0]["unsay"]["suggestion"]
    assert suggestions.get(server.db, id).text == text_of(chunks)


async def test_an_error_before_the_first_piece_has_its_own_status(server: LiveServer) -> None:
    reply = await server.complete("x", stream=True, max_tokens=1000)

    assert (reply.status, reply.error) == (400, "ask_invalid")
