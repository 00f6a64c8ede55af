"""Warming over HTTP: no choice, nothing written down, and whoever wants a suggestion goes first."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from live_server import LiveServer, live_server
from tiny_model import FILES

from server.turns import MOST_SPARE, Turns
from store import suggestions


@pytest_asyncio.fixture
async def server(tmp_path: Path, tiny_model: Path) -> AsyncGenerator[LiveServer]:
    async with live_server(tmp_path, tiny_model) as live:
        yield live


async def test_a_warming_says_nothing_and_is_not_written_down(server: LiveServer) -> None:
    own = {"warm": True, "document": "a.py"}

    first = await server.complete_known("mean", unsay=own)
    again = await server.complete_known("mean", unsay=own)

    assert (first.status, first.body["choices"]) == (200, [])
    assert first.body["usage"]["prompt_tokens"] > 1
    assert again.body["usage"] == {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    assert suggestions.prune(server.db, days=-1) == 0


async def test_what_was_warmed_is_completed_as_ever(server: LiveServer) -> None:
    await server.complete_known("mean", unsay={"warm": True, "document": "a.py"})

    reply = await server.complete_known("mean", unsay={"document": "a.py"})

    assert reply.text == FILES["mean"][1]


@pytest.fixture
def turns() -> Turns:
    return Turns(deadline_ms=10_000, most=8)


def test_a_request_ends_every_warming(turns: Turns) -> None:
    with turns.spare("a") as a, turns.spare("b") as b:
        assert a is not None and b is not None
        assert not a.is_over() and not b.is_over()

        with turns.take("c"):
            assert a.is_over() and b.is_over()


def test_nothing_is_warmed_while_somebody_waits(turns: Turns) -> None:
    with turns.take("a"), turns.spare("a") as spare:
        assert spare is None


def test_the_newest_warming_of_a_document_wins(turns: Turns) -> None:
    with turns.spare("a") as old, turns.spare("a") as new:
        assert old is not None and new is not None
        assert old.is_over() and not new.is_over()


def test_of_too_many_warmings_the_oldest_ends(turns: Turns) -> None:
    contexts = [turns.spare(str(number)) for number in range(MOST_SPARE + 1)]
    spares = [context.__enter__() for context in contexts]

    assert [spare is None or spare.is_over() for spare in spares] == [True] + [False] * MOST_SPARE
    turns.end_all()
    assert all(spare is not None and spare.is_over() for spare in spares)
