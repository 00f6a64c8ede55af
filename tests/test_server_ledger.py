"""The ledger over HTTP, and bans that follow it whoever writes it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from live_server import LiveServer, live_server
from tiny_model import FILES

from benchmarks.random_generation import make_generation
from server.bans import needs_ban
from store import ledger
from store.records import Item, ItemState, NewItem

PREFIX, MEAN, SUFFIX = FILES["mean"]


@pytest_asyncio.fixture
async def server(tmp_path: Path, tiny_model: Path) -> AsyncGenerator[LiveServer]:
    async with live_server(tmp_path, tiny_model) as live:
        yield live


def unsay_mean(**changes: Any) -> dict[str, Any]:
    return {"prefix": PREFIX, "suffix": SUFFIX, "target": MEAN, **changes}


def mean_item() -> NewItem:
    return NewItem(PREFIX, SUFFIX, MEAN, 0, len(MEAN), "user", "user", "python", "import")


async def test_what_a_person_unsays_is_not_said_again(server: LiveServer) -> None:
    before = await server.complete_known("mean")

    added = await server.call("POST", "/v1/ledger", unsay_mean(path="a.py", message="no"))
    after = await server.complete_known("mean")

    assert before.text == MEAN
    assert MEAN not in after.text
    assert added.status == 201
    assert added.body | {"id": "", "created_at": ""} == {
        "id": "",
        "created_at": "",
        "state": "banned",
        "kind": "user",
        "rule": "user",
        "language": "python",
        "path": "a.py",
        "origin": "person",
        "blamed_chars": len(MEAN),
        "preview": MEAN,
        "verified": 0,
        "forgotten_in": None,
        "message": "no",
    }


async def test_what_is_taken_back_may_be_said_again(server: LiveServer) -> None:
    added = await server.call("POST", "/v1/ledger", unsay_mean())

    removed = await server.call("DELETE", f"/v1/ledger/{added.body['id']}")
    after = await server.complete_known("mean")

    assert (removed.status, removed.body["state"]) == (200, "withdrawn")
    assert after.text == MEAN


async def test_an_item_written_by_another_process_is_banned_from_the_next_request(
    server: LiveServer,
) -> None:
    await server.complete_known("mean")

    ledger.add(server.db, mean_item())
    after = await server.complete_known("mean")

    assert MEAN not in after.text


async def test_a_list_can_be_narrowed(server: LiveServer) -> None:
    first = (await server.call("POST", "/v1/ledger", unsay_mean())).body
    second = (await server.call("POST", "/v1/ledger", unsay_mean(kind="insecure", start=7))).body
    await server.call("DELETE", f"/v1/ledger/{first['id']}")

    async def ids(query: str) -> list[str]:
        body = (await server.call("GET", f"/v1/ledger{query}")).body
        return [item["id"] for item in body["items"]]

    assert await ids("") == [second["id"], first["id"]]
    assert await ids("?state=withdrawn") == [first["id"]]
    assert await ids("?kind=insecure") == [second["id"]]
    assert await ids("?limit=1") == [second["id"]]


@pytest.mark.parametrize(
    "changes",
    [
        {"target": None},
        {"prefix": None},
        {"start": 5, "end": 5},
        {"end": 1000},
        {"target": "  \n"},
        {"kind": "rude"},
    ],
)
async def test_an_item_that_makes_no_sense_is_refused(
    server: LiveServer, changes: dict[str, Any]
) -> None:
    reply = await server.call("POST", "/v1/ledger", unsay_mean(**changes))

    assert (reply.status, reply.error) == (400, "bad_field")


async def test_the_same_thing_unsaid_twice_is_one_item(server: LiveServer) -> None:
    first = await server.call("POST", "/v1/ledger", unsay_mean())
    second = await server.call("POST", "/v1/ledger", unsay_mean())

    assert first.body == second.body


async def test_a_forgotten_item_stays_banned_where_an_older_generation_serves(
    server: LiveServer,
) -> None:
    item = ledger.add(server.db, mean_item())
    ledger.mark(server.db, item.id, "forgotten", generation="g000001-00000000")

    reply = await server.complete_known("mean")

    assert MEAN not in reply.text
    assert ledger.get(server.db, item.id).state == "forgotten"


async def test_a_forgotten_item_that_comes_out_again_has_relapsed_and_is_banned_again(
    server: LiveServer, tiny_model: Path
) -> None:
    almost_base = make_generation(server.db, server.home, tiny_model, 1, strength=1e-4)
    await server.call(
        "POST", "/v1/adapters/promote", {"generation": almost_base, "expected": "base"}
    )
    item = ledger.add(server.db, mean_item())
    ledger.mark(server.db, item.id, "forgotten", generation=almost_base)

    relapse = await server.complete_known("mean")
    after = await server.complete_known("mean")

    assert MEAN not in relapse.text
    assert {one["kind"] for one in relapse.choice["unsay"]["findings"]} == {"forgotten"}
    assert ledger.get(server.db, item.id).state == "relapsed"
    assert MEAN not in after.text
    # the ban is back; what the model says instead may still be too like it
    assert {one["kind"] for one in after.choice["unsay"]["findings"]} <= {"forgotten"}


@pytest.mark.parametrize(
    ("state", "forgotten_in", "serving", "is_banned"),
    [
        ("banned", None, "g000003-aa", True),
        ("relapsed", None, "g000003-aa", True),
        ("withdrawn", None, "base", False),
        ("forgotten", "g000002-aa", "g000002-aa", False),
        ("forgotten", "g000002-aa", "g000003-aa", False),
        ("forgotten", "g000002-aa", "g000001-aa", True),
        ("forgotten", "g000002-aa", "base", True),
        ("forgotten", None, "g000003-aa", True),
    ],
)
def test_a_ban_is_retired_only_where_the_weights_have_forgotten(
    state: ItemState, forgotten_in: str | None, serving: str, is_banned: bool
) -> None:
    item = Item(
        id="i",
        created_at="",
        state=state,
        kind="user",
        rule="user",
        language="python",
        origin="person",
        path=None,
        prefix="",
        suffix="",
        target="x",
        start=0,
        end=1,
        replacement=None,
        fingerprint="f",
        context="c",
        blamed_chars=1,
        verified=1,
        forgotten_in=forgotten_in,
        suggestion=None,
        message=None,
    )

    assert needs_ban(item, serving) is is_banned


async def keystroke_ms(server: LiveServer) -> float:
    """The quickest of ten completions: what else the machine does only ever adds."""
    took: list[float] = []
    for _ in range(10):
        begun = time.perf_counter()
        await server.complete_known("mean")
        took.append((time.perf_counter() - begun) * 1000)
    return min(took)


async def test_thousands_of_items_cost_a_keystroke_nothing(server: LiveServer) -> None:
    without_ms = await keystroke_ms(server)
    with server.db.transaction():
        for i in range(2_000):
            target = f"call_number_{i}(value)"
            ledger.add(
                server.db,
                NewItem("p", "s", target, 0, len(target), "deprecated", "r", "python", "import"),
            )
    await server.complete_known("mean")  # takes them over

    with_items_ms = await keystroke_ms(server)
    await server.complete_known("aws")  # makes an item
    begun = time.perf_counter()
    await server.complete_known("mean")
    after_finding_ms = (time.perf_counter() - begun) * 1000

    assert with_items_ms < 2 * without_ms + 20
    assert after_finding_ms < 2000
