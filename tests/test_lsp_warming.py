"""The server is made to read where the cursor rests, before a suggestion is asked for."""

from __future__ import annotations

import asyncio

import pytest
from fake_server import FakeServer
from lsp_editor import Editor, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "import os\n\nprint(os.name)\n"
A_WHILE_S = 0.5


async def test_an_opened_document_is_read_from_its_start(fake: FakeServer, editor: Editor) -> None:
    uri = editor.open("demo.py", TEXT)

    await until(lambda: len(fake.warmed) == 1)

    [body] = fake.warmed
    assert (body["prompt"], body["suffix"]) == ("", TEXT)
    assert (body["unsay"]["document"], body["unsay"]["warm"]) == (uri, True)
    assert fake.asked == []


async def test_where_the_cursor_rests_is_read_once(fake: FakeServer, editor: Editor) -> None:
    uri = editor.open("demo.py", TEXT)
    await until(lambda: len(fake.warmed) == 1)

    for offset in (5, 9, 10, 10):
        await editor.actions(uri, offset, offset)
    await until(lambda: len(fake.warmed) == 2)
    await editor.actions(uri, 10, 10)
    await asyncio.sleep(A_WHILE_S)

    assert [body["prompt"] for body in fake.warmed] == ["", TEXT[:10]]


async def test_a_selection_is_no_place_to_read(fake: FakeServer, editor: Editor) -> None:
    uri = editor.open("demo.py", TEXT)
    await until(lambda: len(fake.warmed) == 1)

    await editor.actions(uri, 3, 9)
    await asyncio.sleep(A_WHILE_S)

    assert len(fake.warmed) == 1


async def test_who_has_asked_already_needs_no_warming(fake: FakeServer, editor: Editor) -> None:
    uri = editor.open("demo.py", TEXT)
    await until(lambda: len(fake.warmed) == 1)

    await editor.actions(uri, len(TEXT), len(TEXT))
    await editor.ghosts(uri)
    await asyncio.sleep(A_WHILE_S)

    assert (len(fake.asked), len(fake.warmed)) == (1, 1)


async def test_an_excluded_document_is_not_read(fake: FakeServer, editor: Editor) -> None:
    editor.open("config/.env", "TOKEN=1\n", "plaintext")
    await asyncio.sleep(A_WHILE_S)

    assert fake.requests == []


async def test_a_server_that_cannot_warm_is_asked_once(fake: FakeServer, editor: Editor) -> None:
    fake.unknown_field = "warm"
    uri = editor.open("demo.py", TEXT)
    await until(lambda: len(fake.requests) == 1)

    await editor.actions(uri, 10, 10)
    await asyncio.sleep(A_WHILE_S)

    assert len(fake.requests) == 1
    assert editor.messages == []
