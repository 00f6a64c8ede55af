"""What the server makes of a body, field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.completion_wire import parse_completion
from server.config import NightlyConfig, ServerConfig
from server.engine.protocol import Ask
from server.errors import BadField, RequestError, UnknownField
from server.preview import preview
from server.wire import Fields
from store import ledger
from store.database import open_database
from store.home import Home
from store.records import Kind, NewItem

CONFIG = ServerConfig()


def parse(**body: Any) -> Any:
    return parse_completion(Fields(body), CONFIG)


def test_a_request_with_every_field_becomes_one_record() -> None:
    asked = parse(
        model="tiny",
        prompt="def f(",
        suffix=")",
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        n=2,
        stop="\n",
        seed=3,
        stream=True,
        stream_options={"include_usage": True},
        user="me",
        unsay={
            "language": "python",
            "path": "a/b.py",
            "document": "doc",
            "bans": False,
            "generation": "base",
            "stop_rules": False,
            "client": "test",
        },
    )

    assert asked.ask == Ask(
        prefix="def f(",
        suffix=")",
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        n=2,
        stop=("\n",),
        seed=3,
        document="doc",
        stop_rules=False,
        bans=False,
        generation="base",
    )
    assert (asked.model, asked.language, asked.path) == ("tiny", "python", "a/b.py")
    assert asked.is_streamed and asked.wants_usage and not asked.teaches


def test_the_least_a_client_may_send_is_a_prompt() -> None:
    asked = parse(prompt="x")

    assert asked.ask == Ask(prefix="x")
    assert asked.teaches
    assert not asked.is_streamed


@pytest.mark.parametrize(
    ("path", "language"), [("a.ts", "typescript"), ("a.PY", "python"), ("Makefile", "python")]
)
def test_the_language_follows_from_the_path_when_it_is_not_said(path: str, language: str) -> None:
    assert parse(prompt="x", unsay={"path": path}).language == language


@pytest.mark.parametrize(
    "harmless",
    [
        {"presence_penalty": 0, "frequency_penalty": 0.0},
        {"echo": False, "logprobs": None, "best_of": 1, "logit_bias": {}},
    ],
)
def test_openai_fields_that_ask_for_nothing_are_accepted(harmless: dict[str, Any]) -> None:
    assert parse(prompt="x", **harmless).ask == Ask(prefix="x")


@pytest.mark.parametrize(
    ("body", "error", "names"),
    [
        ({}, BadField, "'prompt' is missing"),
        ({"prompt": 3}, BadField, "'prompt' must be a string, not a number"),
        ({"prompt": ["a"]}, BadField, "'prompt' must be a string, not a list"),
        ({"prompt": "\ud800"}, BadField, "surrogate"),
        ({"prompt": "x", "max_tokens": 0}, BadField, "'max_tokens' must be a whole number"),
        ({"prompt": "x", "max_tokens": 10**9}, BadField, "between 1 and 1024"),
        ({"prompt": "x", "max_tokens": True}, BadField, "'max_tokens'"),
        ({"prompt": "x", "max_tokens": 1.5}, BadField, "'max_tokens'"),
        ({"prompt": "x", "temperature": -1}, BadField, "between 0 and 2"),
        ({"prompt": "x", "temperature": "hot"}, BadField, "must be a number"),
        ({"prompt": "x", "top_p": 0}, BadField, "'top_p'"),
        ({"prompt": "x", "n": 9}, BadField, "'n'"),
        ({"prompt": "x", "stop": [""]}, BadField, "'stop'"),
        ({"prompt": "x", "stop": ["a"] * 17}, BadField, "at most 16"),
        ({"prompt": "x", "stream": "yes"}, BadField, "true or false"),
        ({"prompt": "x", "logprobs": 3}, BadField, "'logprobs' is not supported"),
        ({"prompt": "x", "presence_penalty": 1}, BadField, "not supported"),
        ({"prompt": "x", "unsay": 1}, BadField, "'unsay' must be an object"),
        ({"prompt": "x", "unsay": {"ban": 1}}, UnknownField, "'unsay.ban' is not a field"),
        ({"prompt": "x", "sufix": ""}, UnknownField, "'sufix' is not a field"),
    ],
)
def test_a_bad_field_is_named_and_the_message_says_what_to_do(
    body: dict[str, Any], error: type[RequestError], names: str
) -> None:
    with pytest.raises(error, match=names):
        parse(**body)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"port": 70_000}, "port"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"ledger_kinds": ("secrets",)}, "ledger kind"),
    ],
)
def test_a_server_option_out_of_range_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ServerConfig(**changes)


@pytest.mark.parametrize("window", ["2-5", "25:00-03:00", "02:00", ""])
def test_a_window_that_is_no_window_is_refused(window: str) -> None:
    with pytest.raises(ValueError, match="nightly window"):
        NightlyConfig(window=window)


@pytest.mark.parametrize(
    ("kind", "blamed", "shown"),
    [
        ("secret", "AKIAQ3EGRT7YHWPLKX2B", "•••• (20 characters)"),
        ("deprecated", "threading.currentThread()", "threading.currentThread()"),
        ("user", 'login("hunter2")', 'login("••••")'),
        ("user", "ghp_w7Kd93mTzQpV5xYbR2sNfL8hJc4aUe6gXo1D", "••••"),
        ("insecure", "x " * 50, ("x " * 50)[:59] + "…"),
    ],
)
def test_a_preview_never_shows_what_looks_like_a_secret(
    tmp_path: Path, kind: Kind, blamed: str, shown: str
) -> None:
    db = open_database(Home(tmp_path))
    new = NewItem("", "", blamed, 0, len(blamed), kind, "rule", "python", "person")
    item = ledger.add(db, new)
    db.close()

    assert preview(item) == shown
