"""The refresh as a child process: started, followed, never two at once, reaped."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest
from live_server import QUIET, LiveServer, live_server
from tiny_model import FILES

from server.config import NightlyConfig, ServerConfig
from server.keys import READINESS, REFRESHER, STORE
from server.nightly import Nightly, window_opened
from store import ledger, runs
from store.records import NewItem

STAND_IN = Path(__file__).parent / "refresh_stand_in.py"


def server_with(
    root: Path, model: Path, how: str, *, stops: bool = True
) -> AbstractAsyncContextManager[LiveServer]:
    words = (sys.executable, str(STAND_IN), str(root), how)
    config = ServerConfig(nightly=QUIET, stop_refresh_on_exit=stops)
    return live_server(root, model, refresh=words, server=config)


async def test_a_refresh_is_started_and_followed_to_its_end(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with server_with(tmp_path, tiny_model, "promoted") as server:
        reply = await server.call("POST", "/v1/refresh", {"mode": "rebuild", "method": "ga"})
        run = reply.body["run"]
        events = await server.events(f"/v1/runs/{run['id']}/events")
        shown = (await server.call("GET", f"/v1/runs/{run['id']}")).body
        listed = (await server.call("GET", "/v1/runs")).body

    assert reply.status == 202
    assert (run["state"], run["mode"], run["method"]) == ("running", "rebuild", "ga")
    names = [name for name, _ in events]
    assert names == ["progress"] * (len(names) - 1) + ["end"]
    steps = [data["done"] for _, data in events]
    assert steps == sorted(steps) and {1, 2, 3} <= set(steps)
    assert (events[-1][1]["state"], events[-1][1]["message"]) == ("promoted", "It is done.")
    assert (shown["run"], shown["items"]) == (events[-1][1], [])
    assert listed["runs"] == [shown["run"]]


async def test_a_second_refresh_is_refused_while_one_runs(tmp_path: Path, tiny_model: Path) -> None:
    async with server_with(tmp_path, tiny_model, "slow") as server:
        replies = await asyncio.gather(*(server.call("POST", "/v1/refresh", {}) for _ in range(3)))

    assert sorted(reply.status for reply in replies) == [202, 409, 409]
    assert {reply.error for reply in replies if reply.status == 409} == {"refresh_running"}


async def test_one_started_by_hand_counts_too(tmp_path: Path, tiny_model: Path) -> None:
    async with server_with(tmp_path, tiny_model, "promoted") as server:
        runs.start(server.db, "incremental", "prod", os.getpid())
        reply = await server.call("POST", "/v1/refresh", {})

    assert (reply.status, reply.error) == (409, "refresh_running")


async def test_a_killed_refresh_is_closed_as_failed_and_completions_go_on(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with server_with(tmp_path, tiny_model, "dies") as server:
        run = (await server.call("POST", "/v1/refresh", {})).body["run"]
        events = await server.events(f"/v1/runs/{run['id']}/events")
        reply = await server.complete_known("mean")
        again = await server.call("POST", "/v1/refresh", {})

    assert events[-1][0] == "end"
    assert events[-1][1]["state"] == "failed"
    assert reply.text == FILES["mean"][1]
    assert again.status == 202


async def test_a_refresh_that_does_not_begin_says_why(tmp_path: Path, tiny_model: Path) -> None:
    async with server_with(tmp_path, tiny_model, "silent") as server:
        reply = await server.call("POST", "/v1/refresh", {})

    assert (reply.status, reply.error) == (500, "refresh_not_started")
    assert "run unsay doctor" in reply.body["error"]["message"]


async def test_a_refresh_command_that_is_missing_says_so(tmp_path: Path, tiny_model: Path) -> None:
    async with live_server(tmp_path, tiny_model, refresh=("/nowhere/unsay",)) as server:
        reply = await server.call("POST", "/v1/refresh", {})

    assert (reply.status, reply.error) == (500, "refresh_not_started")
    assert "/nowhere/unsay" in reply.body["error"]["message"]


@pytest.mark.parametrize("body", [{"mode": "nightly"}, {"methode": "ga"}])
async def test_a_wrong_refresh_is_refused(
    tmp_path: Path, tiny_model: Path, body: dict[str, str]
) -> None:
    async with server_with(tmp_path, tiny_model, "promoted") as server:
        reply = await server.call("POST", "/v1/refresh", body)

    assert reply.status == 400


async def test_an_unknown_run_cannot_be_followed(tmp_path: Path, tiny_model: Path) -> None:
    async with server_with(tmp_path, tiny_model, "promoted") as server:
        reply = await server.call("GET", "/v1/runs/none/events")

    assert (reply.status, reply.error) == (404, "not_found")


async def test_the_refresh_has_a_low_priority_and_a_group_of_its_own_and_ends_with_the_server(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with server_with(tmp_path, tiny_model, "slow") as server:
        run = (await server.call("POST", "/v1/refresh", {})).body["run"]
        child = psutil.Process(run["pid"])
        niceness, group = child.nice(), os.getpgid(child.pid)
        events = asyncio.create_task(server.events(f"/v1/runs/{run['id']}/events"))
        await asyncio.sleep(0.3)
        begun = time.monotonic()

    assert niceness >= 10
    assert group == run["pid"] != os.getpgid(0)
    assert not child.is_running()
    assert time.monotonic() - begun < 8
    events.cancel()


async def test_a_refresh_may_outlive_the_server_where_so_configured(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with server_with(tmp_path, tiny_model, "slow", stops=False) as server:
        run = (await server.call("POST", "/v1/refresh", {})).body["run"]

    child = psutil.Process(run["pid"])
    assert child.is_running()
    child.kill()
    child.wait()


NIGHT = datetime(2026, 3, 1, 3, 0)


@pytest.mark.parametrize(
    ("window", "now", "opened"),
    [
        ("02:00-05:00", "01:59", None),
        ("02:00-05:00", "02:00", "02:00"),
        ("02:00-05:00", "04:59", "02:00"),
        ("02:00-05:00", "05:00", None),
        ("22:00-04:00", "23:00", "22:00"),
        ("22:00-04:00", "03:00", "22:00 yesterday"),
        ("22:00-04:00", "12:00", None),
        ("00:00-00:00", "12:00", "00:00"),
        (None, "03:00", None),
    ],
)
def test_the_window_is_open_from_its_first_minute_to_before_its_last(
    window: str | None, now: str, opened: str | None
) -> None:
    today = datetime(2026, 3, 1)
    hour, minute = map(int, now.split(":"))

    found = window_opened(
        NightlyConfig(window=window).hours, today.replace(hour=hour, minute=minute)
    )

    expected = None
    if opened is not None:
        hour, minute = map(int, opened.split()[0].split(":"))
        expected = today.replace(hour=hour, minute=minute)
        if "yesterday" in opened:
            expected -= timedelta(days=1)
    assert found == expected


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.time = NIGHT
        self.idle_s = 3600.0

    def __call__(self) -> datetime:
        return self.time


def nightly_of(server: LiveServer, clock: Clock, **changes: object) -> Nightly:
    config = NightlyConfig(window="02:00-05:00", idle_minutes=10, **changes)  # type: ignore[arg-type]
    return Nightly(
        config,
        server.app[REFRESHER],
        server.app[STORE],
        lambda: clock.idle_s,
        server.app[READINESS].trouble,
        clock,
    )


def add_item(server: LiveServer, text: str = "bad_call()") -> None:
    new = NewItem("p", "s", text, 0, len(text), "user", "user", "python", "person")
    ledger.add(server.db, new)


async def test_in_the_window_when_idle_with_items_a_refresh_starts_once(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with server_with(tmp_path, tiny_model, "promoted") as server:
        clock = Clock()
        nightly = nightly_of(server, clock, min_new_items=2)
        add_item(server)
        with_too_few = await nightly.tick()
        add_item(server, "worse_call()")
        clock.time = NIGHT.replace(hour=12)
        by_day = await nightly.tick()
        clock.time, clock.idle_s = NIGHT, 30.0
        while_typing = await nightly.tick()
        clock.idle_s = 3600.0

        started = await nightly.tick()
        while server.app[REFRESHER].is_running:
            await asyncio.sleep(0.05)
        in_the_same_night = await nightly.tick()
        clock.time = NIGHT + timedelta(days=1)
        in_the_next_night = await nightly.tick()

    assert [with_too_few, by_day, while_typing, in_the_same_night] == [None] * 4
    assert started is not None and started.mode == "incremental"
    assert in_the_next_night is not None and in_the_next_night.id != started.id


async def test_with_nothing_to_forget_the_night_is_quiet(tmp_path: Path, tiny_model: Path) -> None:
    async with server_with(tmp_path, tiny_model, "promoted") as server:
        assert await nightly_of(server, Clock()).tick() is None


async def test_a_nightly_refresh_that_fails_to_start_is_tried_once_a_night(
    tmp_path: Path, tiny_model: Path
) -> None:
    said: list[tuple[str, str | None]] = []
    async with server_with(tmp_path, tiny_model, "silent") as server:
        add_item(server)
        nightly = Nightly(
            NightlyConfig(),
            server.app[REFRESHER],
            server.app[STORE],
            lambda: 3600.0,
            lambda subject, reason: said.append((subject, reason)),
            Clock(),
        )
        first, second = await nightly.tick(), await nightly.tick()

    assert (first, second) == (None, None)
    assert len(said) == 1
    assert "did not start" in (said[0][1] or "")
