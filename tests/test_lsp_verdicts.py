"""What the server finds after its answer reaches the editor, in real servers and a real client."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from live_server import GUARD, QUIET, LiveServer, live_server
from lsp_editor import Editor, editing, until
from lsprotocol import types
from tiny_model import FILES

from server.config import ServerConfig
from server.guard.config import GuardConfig

PREFIX, MD5, SUFFIX = FILES["checksum"]
SOON_MS, LATE_MS = 1, 60_000

STRICT = replace(GUARD, actions={"secret": "block"})


@asynccontextmanager
async def desk(
    root: Path, model: Path, *, quiet_ms: int, guard: GuardConfig = GUARD, typing_ms: float = 1e-6
) -> AsyncGenerator[tuple[LiveServer, Editor]]:
    """A server whose guard defers all it may, and an editor."""
    guard = replace(guard, typing_ms=typing_ms, ruff_ms=5000.0, allow=root / "home" / "allow.toml")
    settings = ServerConfig(nightly=QUIET, quiet_ms=quiet_ms)
    async with live_server(root / "home", model, server=settings, guard=guard) as live:
        live.loaded.completer._rooms.guard.wait(20)
        address = {"url": live.url, "pid": 1, "version": "0.1.0"}
        live.home.address.write_text(json.dumps(address))
        async with editing(live.home.root, root / "work") as editor:
            await editor.state("ready")
            yield live, editor


def text_of(items: list[types.InlineCompletionItem]) -> str:
    assert len(items) == 1 and isinstance(items[0].insert_text, str)
    return items[0].insert_text


async def test_a_shown_suggestion_is_taken_back_and_does_not_come_again(
    tiny_model: Path, tmp_path: Path
) -> None:
    async with desk(tmp_path, tiny_model, quiet_ms=SOON_MS) as (_, editor):
        uri = editor.open("a.py", PREFIX)

        shown = text_of(await editor.ghosts(uri))
        await until(lambda: bool(editor.taken_back))
        again = await editor.ghosts(uri)
        explained = await editor.run("unsay.explain")

    [note] = editor.taken_back
    assert MD5 in shown
    assert (note.uri, note.isShown) == (uri, True)
    assert any(said.startswith("Unsay: Taken back (insecure, S324): ") for said in editor.messages)
    assert not any(MD5 in str(item.insert_text) for item in again)
    assert explained.startswith("**Taken back: the suggestion was shown before")


async def test_a_text_that_was_taken_already_gets_a_diagnostic(
    tiny_model: Path, tmp_path: Path
) -> None:
    async with desk(tmp_path, tiny_model, quiet_ms=LATE_MS) as (_, editor):
        uri = editor.open("a.py", PREFIX)

        [item] = await editor.ghosts(uri)
        await editor.accept(uri, item)  # what makes the server look at it at once
        await until(lambda: bool(editor.diagnostics.get(uri)))

    [found] = editor.diagnostics[uri]
    start, end = (editor._offset(uri, place) for place in (found.range.start, found.range.end))  # pyright: ignore[reportPrivateUsage]
    assert (found.code, editor.texts[uri][start:end]) == ("S324", "md5")
    assert not editor.taken_back or not editor.taken_back[0].isShown


async def test_a_clear_suggestion_stays_and_nobody_is_told(
    tiny_model: Path, tmp_path: Path
) -> None:
    prefix, said, _ = FILES["mean"]
    async with desk(tmp_path, tiny_model, quiet_ms=SOON_MS) as (live, editor):
        uri = editor.open("a.py", prefix)

        await editor.ghosts(uri)
        await until(lambda: live.loaded.completer.background.status()["clear"] == 1)
        again = await editor.ghosts(uri)

    assert said in text_of(again)
    assert (editor.taken_back, editor.messages) == ([], [])


async def accepted_and_marked(editor: Editor) -> str:
    """A document with a diagnostic on accepted text."""
    uri = editor.open("a.py", PREFIX)
    [item] = await editor.ghosts(uri)
    await editor.accept(uri, item)
    await until(lambda: bool(editor.diagnostics.get(uri)))
    return uri


async def test_a_finding_can_be_allowed_on_its_line_in_the_workspace_or_for_good(
    tiny_model: Path, tmp_path: Path
) -> None:
    async with desk(tmp_path, tiny_model, quiet_ms=LATE_MS) as (live, editor):
        uri = await accepted_and_marked(editor)
        at = editor.texts[uri].index("md5")

        actions = {action.title: action for action in await editor.actions(uri, at, at)}
        here = actions["Allow S324 on this line"].edit
        workspace = actions["Allow S324 in this workspace"].command
        never = actions["Never block S324"].command
        assert here is not None and here.changes is not None and workspace and never
        [edit] = here.changes[uri]
        await editor.run(workspace.command, *(workspace.arguments or []))
        await until(lambda: not editor.diagnostics[uri])
        await editor.run(never.command, *(never.arguments or []))
        allowed = (await live.call("GET", "/v1/allow")).body["allowed"]

    assert edit.new_text == "  # unsay: allow[S324]"
    assert allowed == {f"{tmp_path / 'work'}/*": ["S324"], "*": ["S324"]}


async def test_what_was_held_back_can_be_allowed_from_where_it_would_have_stood(
    tiny_model: Path, tmp_path: Path
) -> None:
    prefix, secret, _ = FILES["aws"]
    async with desk(tmp_path, tiny_model, quiet_ms=LATE_MS, guard=STRICT, typing_ms=1000) as (
        _,
        editor,
    ):
        uri = editor.open("a.py", prefix)

        assert await editor.ghosts(uri) == []
        actions = {one.title: one for one in await editor.actions(uri, len(prefix), len(prefix))}
        once = actions["Allow once: show what was held back"].command
        assert once is not None
        await editor.run(once.command)
        shown = await editor.ghosts(uri, invoked=True)

    assert {title.partition(" ")[0] for title in actions} == {"Allow", "Never"}
    assert any(secret in str(item.insert_text) for item in shown)


@pytest.mark.parametrize(("language", "comment"), [("python", "# "), ("javascript", "// ")])
async def test_the_comment_that_allows_is_one_of_the_language(
    tiny_model: Path, tmp_path: Path, language: str, comment: str
) -> None:
    secret = FILES["aws"][1]
    async with desk(tmp_path, tiny_model, quiet_ms=LATE_MS, guard=STRICT, typing_ms=1000) as (
        _,
        editor,
    ):
        uri = editor.open("a", FILES["aws"][0], language)

        await editor.ghosts(uri)
        actions = await editor.actions(uri, 0, 0)

    edits = [one.edit.changes[uri] for one in actions if one.edit and one.edit.changes]
    assert edits and edits[0][0].new_text.lstrip().startswith(f"{comment}unsay: allow[")
    assert secret not in edits[0][0].new_text
