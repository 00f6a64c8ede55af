"""Ghost text and the completion list, over standard input and output."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fake_server import FakeServer, choice
from lsp_editor import NEOVIM, Editor, Encoding, capabilities, editing, until
from lsprotocol import types
from pygls.exceptions import JsonRpcException

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_ghost_text_repeats_the_line_from_its_indentation_on(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice("l(a, b):\n        return a * b")]
    uri = editor.open("demo.py", "class A:\n    def mu")

    (item,) = await editor.ghosts(uri)

    assert item.insert_text == "def mul(a, b):\n        return a * b"
    assert item.range == types.Range(types.Position(1, 4), types.Position(1, 10))
    assert item.command is not None and item.command.command == "unsay.accepted"
    assert fake.asked[0] == {
        "prompt": "class A:\n    def mu",
        "suffix": "",
        "max_tokens": 64,
        "temperature": 0,
        "n": 1,
        "unsay": {
            "language": "python",
            "path": uri.rpartition("/")[2],
            "document": uri,
            "client": "Visual Studio Code 1.0",
            "workspace": str(editor.workspace),
        },
    }


async def test_six_keys_typed_fast_ask_the_server_once(fake: FakeServer, editor: Editor) -> None:
    editor.configure({"debounceMs": 600})  # longer than a busy machine takes for a key
    uri = editor.open("demo.py", "x = 1\n")
    asked: list[asyncio.Task[list[types.InlineCompletionItem]]] = []

    for key in "def mu":
        editor.type_at_end(uri, key)
        asked.append(asyncio.create_task(editor.ghosts(uri)))
        await asyncio.sleep(0.02)
    answers = await asyncio.gather(*asked)
    editor.configure({"debounceMs": None})

    assert len(fake.asked) == 1
    assert [len(items) for items in answers] == [0, 0, 0, 0, 0, 1]


async def test_an_editor_that_waits_by_itself_is_answered_at_once(
    fake: FakeServer, tmp_path: Path
) -> None:
    settings = {"debounceMs": None}
    async with editing(fake.home, tmp_path / "w", name=NEOVIM, settings=settings) as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", "")
        for key in "ab":
            editor.type_at_end(uri, key)
            await editor.ghosts(uri)

        assert len(fake.asked) == 2


async def test_a_cancelled_request_closes_the_request_to_the_server(
    fake: FakeServer, editor: Editor
) -> None:
    fake.delay_s = 5.0
    uri = editor.open("demo.py", "x = ")
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
        types.TextDocumentIdentifier(uri),
        types.Position(0, 4),
    )
    asked = editor.client.protocol.send_request_async(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, params, msg_id="mine"
    )
    waiting = asyncio.ensure_future(asked)
    await until(lambda: len(fake.asked) == 1)

    editor.client.cancel_request(types.CancelParams("mine"))

    with pytest.raises(JsonRpcException):
        await waiting
    await until(lambda: fake.cancelled == 1)


async def test_what_is_typed_as_suggested_is_not_asked_for_again(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice("turn x")]
    uri = editor.open("demo.py", "re")
    await editor.ghosts(uri)
    rest: list[object] = []

    for key in "tur":
        editor.type_at_end(uri, key)
        rest.extend(item.insert_text for item in await editor.ghosts(uri))

    assert rest == ["return x"] * 3
    assert len(fake.asked) == 1


async def test_a_bracket_that_the_editor_closed_is_taken_over(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice("(a, b):\n    return a")]
    uri = editor.open("demo.py", "def f")
    await editor.ghosts(uri)

    editor.type_at_end(uri, "()")
    items = await editor.ghosts(uri, len("def f("))

    assert [(item.insert_text, item.range) for item in items] == [
        ("def f(a, b):\n    return a", types.Range(types.Position(0, 0), types.Position(0, 7)))
    ]
    assert len(fake.asked) == 1


async def test_the_cache_of_another_generation_is_not_served(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice("turn x")]
    uri = editor.open("demo.py", "re")
    await editor.ghosts(uri)

    fake.generation = "g000001-aaaaaaaa"
    await editor.run("unsay.status")
    editor.type_at_end(uri, "t")
    await editor.ghosts(uri)

    assert len(fake.asked) == 2


async def test_nothing_is_suggested_in_the_middle_of_a_line_unless_asked_for(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice("a,\n b")]
    uri = editor.open("demo.py", "f(c, d)\n")

    automatic = await editor.ghosts(uri, 2)
    before = len(fake.asked)
    by_hand = await editor.ghosts(uri, 2, invoked=True)

    assert (automatic, before) == ([], 0)
    assert [item.insert_text for item in by_hand] == ["f(a,"]
    assert fake.asked[0]["n"] == 3


async def test_the_selected_list_entry_begins_the_ghost_text(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice("(1)")]
    uri = editor.open("demo.py", "x = ma")
    place = types.Range(types.Position(0, 4), types.Position(0, 6))

    items = await editor.ghosts(uri, selected=types.SelectedCompletionInfo(place, "max"))

    assert [(item.insert_text, item.range) for item in items] == [("max(1)", place)]
    assert fake.asked[0]["prompt"] == "x = max"
    await editor.accept(uri, items[0])
    await until(lambda: fake.told == ["s1-0 shown", "s1-0 accepted"])
    assert fake.events[1]["accepted_chars"] == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_positions_count_in_the_editors_units(
    fake: FakeServer, tmp_path: Path, encoding: Encoding
) -> None:
    fake.say = lambda body: [choice("🎉é = 1")]
    async with editing(fake.home, tmp_path / "w", able=capabilities(encoding=encoding)) as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", "é = '中文'\f\n🎈é = '日本'; ")

        (item,) = await editor.ghosts(uri)
        await editor.accept(uri, item)
        await editor.ghosts(uri)

    assert fake.asked[0]["prompt"] == "é = '中文'\f\n🎈é = '日本'; "
    assert fake.asked[1]["prompt"] == "é = '中文'\f\n🎈é = '日本'; 🎉é = 1"


async def test_the_list_entry_for_an_editor_with_snippets_is_relative(
    fake: FakeServer, tmp_path: Path
) -> None:
    fake.say = lambda body: [choice("l(a):\n        return {'$a': 1}\\")]
    async with editing(fake.home, tmp_path / "w", able=capabilities(inline=False)) as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", "class A:\n    def mu")

        (entry,) = await editor.entries(uri) or []

        assert (entry.label, entry.filter_text) == ("mul(a):", "mu")
        assert entry.text_edit == types.TextEdit(
            types.Range(types.Position(1, 8), types.Position(1, 10)),
            "mul(a):\n    return {'\\$a': 1\\}\\\\",
        )
        assert entry.insert_text_format == types.InsertTextFormat.Snippet
        assert entry.insert_text_mode == types.InsertTextMode.AdjustIndentation
        assert entry.command is not None and entry.command.command == "unsay.accepted"


async def test_the_list_entry_for_an_editor_without_snippets_is_absolute(
    fake: FakeServer, tmp_path: Path
) -> None:
    fake.say = lambda body: [choice("l(a):\n        return {'$a': 1}")]
    able = capabilities(inline=False, snippets=False)
    async with editing(fake.home, tmp_path / "w", able=able) as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", "class A:\n    def mu")

        (entry,) = await editor.entries(uri) or []

        assert entry.text_edit == types.TextEdit(
            types.Range(types.Position(1, 8), types.Position(1, 10)),
            "mul(a):\n        return {'$a': 1}",
        )
        assert entry.insert_text_format == types.InsertTextFormat.PlainText
        assert entry.insert_text_mode is None


async def test_an_editor_with_ghost_text_gets_no_list_entries(
    fake: FakeServer, editor: Editor
) -> None:
    uri = editor.open("demo.py", "x = ")

    entries = await editor.entries(uri)

    assert entries is None
    assert fake.asked == []


async def test_a_setting_gives_list_entries_all_the_same(fake: FakeServer, tmp_path: Path) -> None:
    settings = {"completionFallback": "always"}
    async with editing(fake.home, tmp_path / "w", settings=settings) as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", "x = ")

        assert len(await editor.entries(uri) or []) == 1
