"""What does not fit before the answer is checked after it: taken back, marked and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from live_server import GUARD, QUIET, LiveServer, Reply, live_server
from tiny_model import FILES

from server.config import ServerConfig
from store.records import Kind

HURRIED = replace(GUARD, typing_ms=1e-6, ruff_ms=5000.0)
"""Only what must never be seen is found before the answer."""
MD5 = FILES["checksum"][1]


def settings(quiet_ms: int = 1) -> ServerConfig:
    return ServerConfig(nightly=QUIET, quiet_ms=quiet_ms)


async def verdict(live: LiveServer, suggestion: str) -> Mapping[str, Any]:
    """The one about `suggestion`, once there is one."""
    verdicts, number = live.loaded.completer.background.verdicts, 0
    async with asyncio.timeout(20):
        while True:
            number, fresh = await verdicts.after(number, 5)
            for one in fresh:
                if one.suggestion == suggestion:
                    return one.as_json()


def own(reply: Reply) -> Any:
    return reply.choice["unsay"]


async def test_a_late_finding_takes_the_suggestion_back_and_bans_it(
    tiny_model: Path, tmp_path: Path
) -> None:
    async with live_server(tmp_path, tiny_model, server=settings(), guard=HURRIED) as live:
        live.loaded.completer._rooms.guard.wait(20)

        shown = await live.complete_known("checksum")
        said = await verdict(live, own(shown)["suggestion"])
        ledger = (await live.call("GET", "/v1/ledger")).body["items"]
        findings = (await live.call("GET", "/v1/findings")).body["findings"]
        again = await live.complete_known("checksum")

    assert (shown.text, own(shown)["action"], own(shown)["checking"]) == (MD5, None, True)
    assert said["state"] == "taken_back"
    assert said["reason"].startswith("Taken back (insecure, S324): ")
    [found] = said["findings"]
    assert MD5[found["start"] : found["end"]] == "md5"
    assert [(item["kind"], item["rule"], item["state"]) for item in ledger] == [
        ("insecure", "S324", "banned")
    ]
    assert [(row["rule"], row["action"]) for row in findings] == [("S324", "blocked")]
    assert again.text != MD5


async def test_health_and_metrics_tell_of_the_background(tiny_model: Path, tmp_path: Path) -> None:
    async with live_server(tmp_path, tiny_model, server=settings(), guard=HURRIED) as live:
        live.loaded.completer._rooms.guard.wait(20)
        for name in ("checksum", "mean"):
            reply = await live.complete_known(name)
            await verdict(live, own(reply)["suggestion"])

        health = (await live.call("GET", "/health")).body["background"]
        metrics = (await live.call("GET", "/metrics")).body

    assert health == {"waiting": 0, "clear": 1, "warned": 0, "taken_back": 1, "unchecked": 0}
    assert 'unsay_background_checks_total{state="taken_back"} 1.0' in metrics
    assert 'unsay_findings_total{action="blocked",kind="insecure"} 1.0' in metrics


async def test_a_policy_of_warning_marks_and_does_not_take_back(
    tiny_model: Path, tmp_path: Path
) -> None:
    actions: dict[Kind, Any] = {"insecure": "warn"}
    guard = replace(HURRIED, actions=actions)
    async with live_server(tmp_path, tiny_model, server=settings(), guard=guard) as live:
        live.loaded.completer._rooms.guard.wait(20)

        reply = await live.complete_known("checksum")
        said = await verdict(live, own(reply)["suggestion"])

    assert (said["state"], [one["rule"] for one in said["findings"]]) == ("warned", ["S324"])


async def test_a_superseded_suggestion_is_looked_at_only_if_it_is_taken(
    tiny_model: Path, tmp_path: Path
) -> None:
    async with live_server(tmp_path, tiny_model, server=settings(200), guard=HURRIED) as live:
        live.loaded.completer._rooms.guard.wait(20)
        here = {"unsay": {"document": "a.py"}}
        old = own(await live.complete_known("checksum", **here))["suggestion"]
        new = own(await live.complete_known("mean", **here))["suggestion"]
        await verdict(live, new)
        states = live.loaded.completer.background.status()

        await live.call("POST", "/v1/events", {"suggestion": old, "event": "accepted"})
        said = await verdict(live, old)

    assert (states["clear"], states["waiting"]) == (1, 1)
    assert said["state"] == "taken_back"


async def test_verdicts_are_sent_to_a_listener_that_came_late(
    tiny_model: Path, tmp_path: Path
) -> None:
    async with live_server(tmp_path, tiny_model, server=settings(), guard=HURRIED) as live:
        live.loaded.completer._rooms.guard.wait(20)
        reply = await live.complete_known("mean")
        await verdict(live, own(reply)["suggestion"])
        listening = asyncio.create_task(live.events("/v1/verdicts"))
        await asyncio.sleep(0.1)
        live.loaded.completer.background.stop()
        from server.keys import STOPPING

        live.app[STOPPING].set()
        live.loaded.completer.background.verdicts.wake()
        events = await listening

    assert events == [
        (
            "verdict",
            {
                "suggestion": own(reply)["suggestion"],
                "state": "clear",
                "reason": None,
                "findings": [],
            },
        )
    ]


async def test_what_a_person_allows_is_not_reported_from_the_next_request_on(
    tiny_model: Path, tmp_path: Path
) -> None:
    from server.guard.config import GuardConfig

    guard = GuardConfig(index_packages=False, ruff_ms=5000.0, allow=tmp_path / "allow.toml")
    async with live_server(tmp_path, tiny_model, server=settings(), guard=guard) as live:
        live.loaded.completer._rooms.guard.wait(20)
        place = {"unsay": {"workspace": "/work/app", "path": "a.py", "bans": False}}
        elsewhere = {"unsay": {"workspace": "/work/other", "path": "a.py", "bans": False}}

        before = await live.complete_known("checksum", **place)
        allowed = await live.call("POST", "/v1/allow", {"rule": "S324", "folder": "/work/app"})
        after = await live.complete_known("checksum", **place)
        other = await live.complete_known("checksum", **elsewhere)
        refused = await live.call("POST", "/v1/allow", {"rule": "S324", "folder": "app"})

    assert own(before)["action"] == "patched"
    assert (allowed.status, allowed.body) == (201, {"allowed": {"/work/app/*": ["S324"]}})
    assert (own(after)["action"], after.text) == (None, MD5)
    assert own(other)["action"] == "patched"
    assert (refused.status, refused.error) == (400, "bad_field")
