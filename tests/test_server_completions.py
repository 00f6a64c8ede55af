"""Completions over HTTP: what is said, what is held back, and what follows from a finding."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
import tomllib
from collections.abc import AsyncGenerator, Coroutine
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from live_server import QUIET, LiveServer, Reply, live_server
from tiny_model import FILES

from server.config import ServerConfig
from store import suggestions

MEAN = FILES["mean"][1]
AWS = FILES["aws"][1]


@pytest_asyncio.fixture
async def server(tmp_path: Path, tiny_model: Path) -> AsyncGenerator[LiveServer]:
    async with live_server(tmp_path, tiny_model) as live:
        yield live


async def test_a_clean_suggestion_is_answered_as_the_model_says_it(server: LiveServer) -> None:
    reply = await server.complete_known("mean")

    assert reply.status == 200
    assert reply.body["object"] == "text_completion"
    assert re.fullmatch(r"cmpl-[0-9a-f]{32}", reply.body["id"])
    assert abs(reply.body["created"] - time.time()) < 60
    assert len(reply.body["choices"]) == 1
    own = reply.choice.pop("unsay")
    assert reply.choice == {"index": 0, "text": MEAN, "finish_reason": "stop", "logprobs": None}
    assert re.fullmatch(r"[0-9a-f]{32}", own.pop("suggestion"))
    assert own == {
        "generation": "base",
        "action": None,
        "reason": None,
        "findings": [],
        "marks": [],
        "checking": True,
    }
    usage = reply.body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


async def test_a_secret_never_comes_out_and_the_answer_says_why(server: LiveServer) -> None:
    reply = await server.complete_known("aws")

    own = reply.choice["unsay"]
    assert AWS not in reply.text
    assert own["action"] in ("blocked", "patched")
    assert own["reason"]
    assert own["findings"][0]["kind"] == "secret"
    assert own["findings"][0]["start"] < own["findings"][0]["end"]
    assert AWS not in str(reply.body)


async def test_a_finding_is_banned_at_decode_time_from_the_next_request_on(
    server: LiveServer,
) -> None:
    first = await server.complete_known("aws")

    second = await server.complete_known("aws")

    assert first.choice["unsay"]["findings"]
    assert not [one for one in second.choice["unsay"]["findings"] if one["kind"] == "secret"]
    assert AWS not in second.text
    (item,) = (await server.call("GET", "/v1/ledger?kind=secret")).body["items"]
    assert (item["state"], item["origin"], item["kind"]) == ("banned", "guard", "secret")


async def test_an_experiment_without_bans_teaches_the_ledger_nothing(server: LiveServer) -> None:
    reply = await server.complete_known("aws", unsay={"bans": False})

    assert reply.choice["unsay"]["findings"]
    assert AWS not in reply.text
    assert (await server.call("GET", "/v1/ledger")).body["items"] == []


async def test_what_a_person_allows_is_shown_once_with_its_marks(server: LiveServer) -> None:
    reply = await server.complete_known("aws", unsay={"bans": False, "allow": True})

    own = reply.choice["unsay"]
    assert AWS in reply.text
    assert (own["action"], own["marks"][0]["kind"]) == ("warned", "secret")
    assert "allowed" in own["reason"]
    assert (await server.call("GET", "/v1/ledger")).body["items"] == []
    assert AWS not in (await server.complete_known("aws")).text


async def test_a_suffix_for_a_model_that_cannot_fill_in_is_refused(
    tmp_path: Path, tiny_model: Path
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(tiny_model, plain)
    for file in plain.glob("*.json"):
        file.write_text(file.read_text().replace("fim_", "other_"))

    async with live_server(tmp_path / "home", plain) as server:
        with_suffix = await server.complete_known("mean")
        without = await server.complete("def mean(values):\n")

    assert (with_suffix.status, with_suffix.error) == (400, "no_fim")
    assert "suffix" in with_suffix.body["error"]["message"]
    assert without.status == 200


async def test_what_is_found_is_listed_without_the_flagged_text(server: LiveServer) -> None:
    reply = await server.complete_known("aws")

    listed = (await server.call("GET", "/v1/findings?kind=secret")).body

    said = [one["id"] for one in reply.choice["unsay"]["findings"] if one["kind"] == "secret"]
    assert [row["id"] for row in listed["findings"]] == list(reversed(said))
    assert listed["counts"]["secret"] == len(said)
    assert listed["findings"][0]["item"]
    assert AWS not in str(listed)


async def test_several_alternatives_are_all_reviewed(server: LiveServer) -> None:
    reply = await server.complete_known("aws", n=3, seed=1)

    assert [choice["index"] for choice in reply.body["choices"]] == [0, 1, 2]
    assert AWS not in str(reply.body)


async def test_an_event_changes_the_fate_of_a_suggestion(server: LiveServer) -> None:
    id = (await server.complete_known("mean")).choice["unsay"]["suggestion"]

    reply = await server.call(
        "POST", "/v1/events", {"suggestion": id, "event": "accepted", "accepted_chars": len(MEAN)}
    )

    kept = suggestions.get(server.db, id)
    assert (reply.status, reply.body) == (200, {})
    assert (kept.text, kept.fate, kept.accepted_chars) == (MEAN, "accepted", len(MEAN))


async def test_a_bad_event_is_refused(server: LiveServer) -> None:
    unknown = await server.call("POST", "/v1/events", {"suggestion": "none", "event": "shown"})
    wrong = await server.call("POST", "/v1/events", {"suggestion": "none", "event": "liked"})

    assert (unknown.status, unknown.error) == (404, "not_found")
    assert (wrong.status, wrong.error) == (400, "bad_field")


async def test_another_model_or_generation_than_there_is_is_refused(server: LiveServer) -> None:
    model = await server.complete("x", model="gpt-4")
    generation = await server.complete("x", unsay={"generation": "g000009-00000000"})
    base = await server.complete("x", model="base")

    assert (model.status, model.error) == (404, "unknown_model")
    assert (generation.status, generation.error) == (404, "unknown_generation")
    assert base.status == 200


async def test_a_prompt_with_control_tokens_is_only_text(server: LiveServer) -> None:
    reply = await server.complete("x = '<|endoftext|><|fim_middle|>'\ny = ", "\n")

    assert reply.status == 200


async def test_more_tokens_than_the_model_holds_is_refused(server: LiveServer) -> None:
    reply = await server.complete("x", max_tokens=1000)

    assert (reply.status, reply.error) == (400, "ask_invalid")


async def test_a_newer_request_for_the_same_document_ends_the_older_one(
    server: LiveServer,
) -> None:
    older, newer = await asyncio.gather(
        server.complete(
            "def f(",
            None,
            max_tokens=450,
            temperature=2.0,
            n=8,
            unsay={"document": "a.py", "stop_rules": False},
        ),
        _a_little_later(server.complete("def g(", unsay={"document": "a.py"})),
    )

    assert older.status == 200
    assert (older.text, older.choice["finish_reason"]) == ("", "cancelled")
    assert "newer request" in older.choice["unsay"]["reason"]
    assert newer.choice["finish_reason"] in ("stop", "length")


async def test_requests_for_different_documents_do_not_end_each_other(server: LiveServer) -> None:
    replies = await asyncio.gather(
        *(server.complete_known("mean", unsay={"document": f"{i}.py"}) for i in range(6))
    )

    assert [reply.text for reply in replies] == [MEAN] * 6


async def test_a_late_completion_is_cut_off_and_empty(tmp_path: Path, tiny_model: Path) -> None:
    config = ServerConfig(deadline_ms=1, nightly=QUIET)
    async with live_server(tmp_path, tiny_model, server=config) as server:
        reply = await server.complete_known("mean")

    assert (reply.status, reply.text) == (200, "")
    assert "deadline" in reply.choice["unsay"]["reason"]


async def test_too_many_waiting_requests_are_told_to_come_back(
    tmp_path: Path, tiny_model: Path
) -> None:
    config = ServerConfig(max_waiting=1, nightly=QUIET)
    async with live_server(tmp_path, tiny_model, server=config) as server:
        replies = await asyncio.gather(*(server.complete_known("mean") for _ in range(8)))

    assert sorted({reply.status for reply in replies}) == [200, 429]


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_client_that_goes_away_leaves_the_model_to_the_others(
    server: LiveServer, is_streamed: bool
) -> None:
    headers = {"Authorization": f"Bearer {server.home.token.read_text()}"}
    ask = {"prompt": "x", "max_tokens": 450, "temperature": 2.0, "n": 8, "stream": is_streamed}
    ask |= {"unsay": {"stop_rules": False}}
    short = aiohttp.ClientTimeout(total=0.05)
    try:
        async with server.client.post(
            server.url + "/v1/completions", json=ask, headers=headers, timeout=short
        ) as answer:
            await answer.read()
    except TimeoutError:
        pass

    reply = await server.complete_known("mean")

    assert reply.text == MEAN
    text = (await server.call("GET", "/metrics")).body
    assert "unsay_queue 0.0" in text


async def test_while_the_model_loads_health_says_so_and_a_completion_waits_its_turn(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with live_server(tmp_path, tiny_model, is_ready=False) as server:
        health = await server.call("GET", "/health")
        reply = await server.complete_known("mean")

    assert (health.status, health.body["status"], health.body["model"]) == (503, "loading", None)
    assert (reply.status, reply.error, reply.headers["Retry-After"]) == (503, "loading", "1")


async def test_health_names_model_and_generation(server: LiveServer) -> None:
    pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())

    reply = await server.call("GET", "/health", headers={"Authorization": ""})

    assert reply.status == 200
    assert reply.body == {
        "status": "ok",
        "model": server.loaded.completer.engine.model,
        "generation": "base",
        "engine": "awake",
        "reason": None,
        "guard": dict(server.loaded.completer.guard_status()),
        "background": server.loaded.completer.background.status(),
        "version": pyproject["project"]["version"],
    }


async def test_metrics_tell_tokens_findings_and_bans(server: LiveServer) -> None:
    await server.complete_known("aws")
    await server.complete_known("mean")
    text = (await server.call("GET", "/metrics")).body

    assert "unsay_completion_seconds_count 2.0" in text
    assert re.search(r'unsay_findings_total{action="(blocked|patched)",kind="secret"} \d', text)
    assert re.search(r"unsay_bans [1-9]", text)
    assert AWS not in text


async def _a_little_later(work: Coroutine[None, None, Reply]) -> Reply:
    await asyncio.sleep(0.05)
    return await work
