"""Promotion, roll-back, and a pointer that other processes move."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio
from live_server import LiveServer, Reply, live_server
from tiny_model import FILES

from benchmarks.random_generation import make_generation
from store import adapters, ledger
from store.database import open_database
from store.home import Home
from store.records import NewItem

PREFIX, MEAN, SUFFIX = FILES["mean"]


@pytest_asyncio.fixture
async def server(tmp_path: Path, tiny_model: Path) -> AsyncGenerator[LiveServer]:
    async with live_server(tmp_path, tiny_model) as live:
        yield live


async def promote(server: LiveServer, generation: str, expected: str) -> Reply:
    ask = {"generation": generation, "expected": expected}
    return await server.call("POST", "/v1/adapters/promote", ask)


async def serving(server: LiveServer) -> str:
    """The generation that answers."""
    reply = await server.complete_known("mean")
    return reply.choice["unsay"]["generation"]


async def test_a_promoted_generation_answers_from_the_next_request_on(
    server: LiveServer, tiny_model: Path
) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1)
    before = await server.complete_known("mean")

    reply = await promote(server, name, "base")
    after = await server.complete_known("mean")

    assert reply.status == 200
    assert (reply.body["generation"], reply.body["previous"]) == (name, "base")
    assert 0 <= reply.body["pause_ms"] < reply.body["prepare_ms"]
    assert (before.text, before.choice["unsay"]["generation"]) == (MEAN, "base")
    assert after.text != MEAN
    assert after.choice["unsay"]["generation"] == name
    assert (await server.call("GET", "/health")).body["generation"] == name
    listed = (await server.call("GET", "/v1/adapters")).body
    assert (listed["serving"], listed["previous"]) == (name, "base")
    assert [row["name"] for row in listed["adapters"]] == [name]
    models = (await server.call("GET", "/v1/models")).body["data"]
    assert [row["id"] for row in models if row["serving"] and row["parent"]] == [name]


async def test_roll_back_serves_what_served_before(server: LiveServer, tiny_model: Path) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1)
    await promote(server, name, "base")

    reply = await server.call("POST", "/v1/adapters/rollback", {"expected": name})

    assert (reply.status, reply.body["generation"]) == (200, "base")
    assert (await server.complete_known("mean")).text == MEAN
    assert adapters.serving(server.db).generation == "base"


async def test_roll_back_with_nothing_before_is_refused(server: LiveServer) -> None:
    reply = await server.call("POST", "/v1/adapters/rollback", {})

    assert (reply.status, reply.error) == (404, "not_found")
    assert await serving(server) == "base"


async def test_a_promotion_that_expected_another_generation_is_refused(
    server: LiveServer, tiny_model: Path
) -> None:
    first = make_generation(server.db, server.home, tiny_model, 1)
    second = make_generation(server.db, server.home, tiny_model, 2)
    await promote(server, first, "base")

    reply = await promote(server, second, "base")

    assert (reply.status, reply.error) == (409, "promotion_conflict")
    assert await serving(server) == first


async def test_of_two_promotions_at_once_one_wins(server: LiveServer, tiny_model: Path) -> None:
    names = [make_generation(server.db, server.home, tiny_model, seed) for seed in (1, 2)]

    replies = await asyncio.gather(*(promote(server, name, "base") for name in names))

    assert sorted(reply.status for reply in replies) == [200, 409]
    winner = adapters.serving(server.db).generation
    assert winner in names
    assert await serving(server) == winner


async def test_a_pointer_moved_during_the_swap_takes_the_engine_back(
    server: LiveServer, tiny_model: Path
) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1)
    other = make_generation(server.db, server.home, tiny_model, 2)

    # another process promotes at some moment while this one is swapping
    reply, _ = await asyncio.gather(
        promote(server, name, "base"),
        asyncio.to_thread(adapters.promote, server.db, other, expected="base"),
        return_exceptions=True,
    )

    assert isinstance(reply, Reply)
    assert await _settled(server) == adapters.serving(server.db).generation


async def test_a_pointer_that_cannot_be_written_takes_the_engine_back(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with live_server(tmp_path, tiny_model, wait_s=0.2) as server:
        name = make_generation(server.db, server.home, tiny_model, 1)
        with server.db.transaction():  # another process writes, and does not come to an end
            reply = await promote(server, name, "base")
        text = (await server.complete_known("mean")).text

    assert (reply.status, reply.error) == (503, "database_locked")
    assert text == MEAN


async def test_a_generation_that_did_not_pass_cannot_be_promoted(
    server: LiveServer, tiny_model: Path
) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1, state="rejected")

    rejected = await promote(server, name, "base")
    unknown = await promote(server, "g000099-00000000", "base")

    assert (rejected.status, rejected.error) == (409, "not_passed")
    assert (unknown.status, unknown.error) == (404, "not_found")
    assert await serving(server) == "base"


async def test_an_adapter_for_another_base_leaves_the_old_generation_serving(
    server: LiveServer, tiny_model: Path
) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1, base_digest="0" * 64)

    reply = await promote(server, name, "base")

    assert (reply.status, reply.error) == (409, "adapter_mismatch")
    assert "another base model" in reply.body["error"]["message"]
    assert adapters.serving(server.db).generation == "base"
    assert (await server.complete_known("mean")).text == MEAN


async def test_weights_that_are_not_those_that_passed_are_refused(
    server: LiveServer, tiny_model: Path
) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1)
    _damage(server.home, name)

    reply = await promote(server, name, "base")

    assert (reply.status, reply.error) == (409, "adapter_changed")
    assert await serving(server) == "base"


async def test_a_file_that_only_looks_like_it_passed_is_refused(
    server: LiveServer, tiny_model: Path
) -> None:
    """Weights and the note beside them were exchanged together; the database knows better."""
    name = make_generation(server.db, server.home, tiny_model, 1)
    digest = _damage(server.home, name)
    note = server.home.adapters / name / "unsay.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"digest": digest}))

    reply = await promote(server, name, "base")

    assert (reply.status, reply.error) == (409, "adapter_changed")


async def test_a_pointer_moved_by_another_process_is_followed(
    server: LiveServer, tiny_model: Path
) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1)

    adapters.promote(server.db, name, expected="base")

    assert await _settled(server) == name


async def test_a_start_serves_what_the_pointer_says(tmp_path: Path, tiny_model: Path) -> None:
    name = _home_with_generation(tmp_path, tiny_model)

    async with live_server(tmp_path, tiny_model) as server:
        assert await serving(server) == name
        assert (await server.call("GET", "/health")).body["status"] == "ok"


async def test_a_generation_that_cannot_be_loaded_gives_the_base_with_every_ban(
    tmp_path: Path, tiny_model: Path
) -> None:
    name = _home_with_generation(tmp_path, tiny_model)
    _damage(Home(tmp_path), name)

    async with live_server(tmp_path, tiny_model) as server:
        health = (await server.call("GET", "/health")).body
        reply = await server.complete_known("mean")

    assert (health["status"], health["generation"]) == ("degraded", "base")
    assert name in health["reason"] and "unsay rollback" in health["reason"]
    assert MEAN not in reply.text  # forgotten by the lost generation, so banned on the base


async def test_after_a_roll_back_what_the_newer_one_forgot_is_banned_again(
    server: LiveServer, tiny_model: Path
) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1)
    await promote(server, name, "base")
    item = ledger.add(server.db, _mean_item())
    ledger.mark(server.db, item.id, "forgotten", generation=name)

    await server.call("POST", "/v1/adapters/rollback", {})
    reply = await server.complete_known("mean")

    assert reply.choice["unsay"]["generation"] == "base"
    assert MEAN not in reply.text


async def test_a_pinned_request_is_answered_by_its_generation(
    server: LiveServer, tiny_model: Path
) -> None:
    name = make_generation(server.db, server.home, tiny_model, 1)
    await promote(server, name, "base")

    reply = await server.complete_known("mean", unsay={"generation": "base"})

    assert (reply.text, reply.choice["unsay"]["generation"]) == (MEAN, "base")


def _mean_item() -> NewItem:
    return NewItem(PREFIX, SUFFIX, MEAN, 0, len(MEAN), "user", "user", "python", "person")


def _home_with_generation(root: Path, model: Path) -> str:
    """A home whose generation serves and has forgotten the mean."""
    home = Home(root)
    db = open_database(home)
    name = make_generation(db, home, model, 1)
    adapters.promote(db, name, expected="base")
    item = ledger.add(db, _mean_item())
    ledger.mark(db, item.id, "forgotten", generation=name)
    db.close()
    return name


def _damage(home: Home, name: str) -> str:
    """Change one byte of the weights; returns their digest now."""
    path = home.adapters / name / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    return hashlib.sha256(data).hexdigest()


async def _settled(server: LiveServer) -> str:
    """What serves once the background look at the pointer has had its time."""
    for _ in range(100):
        pointer = adapters.serving(server.db).generation
        if (await server.call("GET", "/health")).body["generation"] == pointer:
            return pointer
        await asyncio.sleep(0.05)
    return await serving(server)
