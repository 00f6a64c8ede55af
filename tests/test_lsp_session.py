"""The session around the suggestions: start, settings, exclusion, trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from fake_server import FakeServer, choice
from lsp_editor import capabilities, editing, until
from lsprotocol import types

SECRET = "hunter2-and-more"


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncGenerator[FakeServer]:
    async with FakeServer(tmp_path / "home").listening() as server:
        yield server


async def test_settings_are_awaited_and_read_again(fake: FakeServer, tmp_path: Path) -> None:
    able = capabilities(configuration=True)
    async with editing(fake.home, tmp_path / "work", able=able) as editor:
        editor.settings = {"languages": ["go"], "startServer": False, "trace": {"server": "off"}}
        uri = editor.open("demo.py", "x = ")
        await editor.ghosts(uri, invoked=True)
        assert fake.asked == []

        editor.settings = {"languages": ["*"], "maxTokens": 5, "startServer": False}
        editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
        await asyncio.sleep(0.2)
        await editor.ghosts(uri, invoked=True)

        assert [body["max_tokens"] for body in fake.asked] == [5]


async def test_a_wrong_setting_is_told_and_leaves_the_others(
    fake: FakeServer, tmp_path: Path
) -> None:
    async with editing(fake.home, tmp_path / "work") as editor:
        await editor.state("ready")
        editor.configure({"maxTokens": "many"})
        editor.configure({"maxToken": 5})
        await until(lambda: len(editor.messages) == 2)
        uri = editor.open("demo.py", "x = ")
        await editor.ghosts(uri)

        assert editor.messages[0] == "unsay.maxTokens must be a whole number"
        assert editor.messages[1].startswith("unsay.maxToken is no setting: choose from enable,")
        assert [body["max_tokens"] for body in fake.asked] == [64]


async def test_an_accepted_suggestion_that_stays_is_retained(
    fake: FakeServer, tmp_path: Path
) -> None:
    fake.say = lambda body: [choice("turn x")]
    log = tmp_path / "events.jsonl"
    settings = {"retainedAfterSeconds": 0.2, "eventLog": str(log)}
    async with editing(fake.home, tmp_path / "work", settings=settings) as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", SECRET + "\nre")
        (item,) = await editor.ghosts(uri)
        await editor.accept(uri, item)
        editor.edit(uri, 0, 0, "# up\n")

        await until(lambda: fake.told[-1] == "s1-0 retained")

    text = log.read_text()
    assert {json.loads(line)["event"] for line in text.splitlines()} >= {"shown", "retained"}
    assert SECRET not in text and "turn x" not in text


async def test_a_server_that_moved_is_found_again(fake: FakeServer, tmp_path: Path) -> None:
    async with editing(fake.home, tmp_path / "work") as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", "x = ")
        await editor.ghosts(uri)
        async with FakeServer(fake.home, token="another").listening() as moved:
            moved.generation = "g000002-aaaaaaaa"
            (fake.home / "token").write_text("another")
            fake.token = "wrong now"
            editor.type_at_end(uri, "y")

            await editor.ghosts(uri)

            assert len(moved.asked) == 1


async def test_without_a_server_the_editor_is_told_how_to_start_one(tmp_path: Path) -> None:
    async with editing(tmp_path / "home", tmp_path / "work") as editor:
        status = await editor.state("error")
        uri = editor.open("demo.py", "x = ")

        assert await editor.ghosts(uri) == []
        assert "unsay serve" in status.message


async def test_a_server_elsewhere_is_never_spoken_to(tmp_path: Path) -> None:
    fake = FakeServer(tmp_path / "home")
    fake.publish(1)
    (tmp_path / "home" / "server.json").write_text('{"url": "http://198.51.100.1:80"}')
    async with editing(fake.home, tmp_path / "work") as editor:
        status = await editor.state("error")

        assert "points outside this machine" in status.message


async def test_a_server_that_answers_nonsense_gives_nothing(
    fake: FakeServer, tmp_path: Path
) -> None:
    async with editing(fake.home, tmp_path / "work") as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", "x = ")
        for nonsense in ("", "[]", '{"choices": 1}', '{"choices": [{"text": 5}]}'):
            fake.bad_answer = nonsense
            assert await editor.ghosts(uri) == []

        fake.bad_answer = None
        assert len(await editor.ghosts(uri)) == 1
