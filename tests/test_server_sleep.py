"""An idle server gives the model's memory back; requests, swaps and health go on as ever."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from live_server import QUIET, LiveServer, live_server
from tiny_model import FILES

from benchmarks.random_generation import make_generation
from server.config import ServerConfig

MEAN = FILES["mean"][1]
SOON = ServerConfig(nightly=QUIET, idle_unload_minutes=0.3 / 60)


async def until(server: LiveServer, state: str) -> None:
    async with asyncio.timeout(20):
        while (await server.call("GET", "/health")).body["engine"] != state:
            await asyncio.sleep(0.02)


async def test_an_idle_server_sleeps_and_the_next_request_wakes_it(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with live_server(tmp_path, tiny_model, server=SOON) as server:
        await until(server, "asleep")
        health = (await server.call("GET", "/health")).body
        asleep = (await server.call("GET", "/metrics")).body

        replies = await asyncio.gather(*(server.complete_known("mean") for _ in range(4)))

        assert (health["status"], health["generation"]) == ("ok", "base")
        assert "unsay_awake 0.0" in asleep
        assert [reply.text for reply in replies] == [MEAN] * 4
        awake = (await server.call("GET", "/metrics")).body
        assert "unsay_last_wake_seconds 0.0" in asleep
        assert "unsay_last_wake_seconds 0.0\n" not in awake


async def test_a_document_that_is_opened_wakes_it(tmp_path: Path, tiny_model: Path) -> None:
    async with live_server(tmp_path, tiny_model, server=SOON) as server:
        await until(server, "asleep")

        reply = await server.complete_known("mean", unsay={"warm": True, "document": "a.py"})

        assert reply.body["usage"]["prompt_tokens"] > 1
        assert server.loaded.completer.engine.last_wake_ms is not None


async def test_a_generation_is_promoted_and_rolled_back_in_its_sleep(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with live_server(tmp_path, tiny_model, server=SOON) as server:
        await until(server, "asleep")
        name = make_generation(server.db, server.home, tiny_model, 1)

        promoted = await server.call(
            "POST", "/v1/adapters/promote", {"generation": name, "expected": "base"}
        )
        await until(server, "asleep")
        changed = await server.complete_known("mean")
        await until(server, "asleep")
        back = await server.call("POST", "/v1/adapters/rollback", {})
        reply = await server.complete_known("mean")

        assert (promoted.status, promoted.body["form"]) == (200, "merged")
        assert changed.text != MEAN
        assert changed.choice["unsay"]["generation"] == name
        assert (back.status, reply.text) == (200, MEAN)


async def test_health_says_that_the_weights_cannot_be_read_until_they_can(
    tmp_path: Path, tiny_model: Path
) -> None:
    model, gone = tmp_path / "model", tmp_path / "gone"
    shutil.copytree(tiny_model, model)
    async with live_server(tmp_path, model, server=SOON) as server:
        await until(server, "asleep")
        model.rename(gone)

        refused = await server.complete_known("mean")
        degraded = (await server.call("GET", "/health")).body
        gone.rename(model)
        reply = await server.complete_known("mean")
        health = (await server.call("GET", "/health")).body

        assert refused.status >= 500
        assert degraded["status"] == "degraded"
        assert "generation base cannot be read" in degraded["reason"]
        assert reply.text == MEAN
        assert (health["status"], health["reason"]) == ("ok", None)


async def test_a_server_without_a_limit_never_sleeps(tmp_path: Path, tiny_model: Path) -> None:
    never = ServerConfig(nightly=QUIET, idle_unload_minutes=0)
    async with live_server(tmp_path, tiny_model, server=never) as server:
        completer = server.loaded.completer
        completer.last_asked -= 10**6

        await completer.sleep_if_idle()

        assert completer.engine.state == "awake"


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="idle_unload_minutes must be 0 or more"):
        ServerConfig(idle_unload_minutes=-1)
