"""What became of suggestions, and the marks they leave in a document, through a real client."""

from __future__ import annotations

import pytest
from fake_server import FakeServer, choice, mark
from lsp_editor import Editor, until
from lsprotocol import types

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEAK = "requests.get(url, verify=False)"


async def test_tab_is_reported_as_accepted_once(fake: FakeServer, editor: Editor) -> None:
    fake.say = lambda body: [choice("turn x")]
    uri = editor.open("demo.py", "re")
    (item,) = await editor.ghosts(uri)

    await editor.accept(uri, item)

    await until(lambda: fake.told == ["s1-0 shown", "s1-0 accepted"])
    assert fake.events[1]["accepted_chars"] == len("turn x")


async def test_words_taken_one_by_one_and_then_left_are_partly_accepted(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice("def mul(a, b):\n    return a * b")]
    uri = editor.open("demo.py", "")
    await editor.ghosts(uri)

    for piece in ("def", " mul"):
        editor.type_at_end(uri, piece)
        await editor.ghosts(uri)
    editor.type_at_end(uri, "tiply")

    await until(lambda: fake.told == ["s1-0 shown", "s1-0 partly_accepted"])
    assert fake.events[1]["accepted_chars"] == len("def mul")
    assert len(fake.asked) == 1


async def test_typing_a_suggestion_out_is_typed_through(fake: FakeServer, editor: Editor) -> None:
    fake.say = lambda body: [choice("abc")]
    uri = editor.open("demo.py", "")
    await editor.ghosts(uri)

    for key in "abc":
        editor.type_at_end(uri, key)

    await until(lambda: fake.told == ["s1-0 shown", "s1-0 typed_through"])


async def test_typing_something_else_rejects(fake: FakeServer, editor: Editor) -> None:
    fake.say = lambda body: [choice("abc")]
    uri = editor.open("demo.py", "")
    await editor.ghosts(uri)

    editor.type_at_end(uri, "x")

    await until(lambda: fake.told == ["s1-0 shown", "s1-0 rejected"])


async def test_what_stays_flagged_in_taken_text_is_underlined_and_can_be_replaced(
    fake: FakeServer, editor: Editor
) -> None:
    start = LEAK.index("verify")
    found = mark(start=start, end=len(LEAK) - 1, replacement="verify=True")
    fake.say = lambda body: [choice(LEAK, action="warned", reason="Look.", marks=[found])]
    uri = editor.open("demo.py", "é = ")
    (item,) = await editor.ghosts(uri)

    await editor.accept(uri, item)
    editor.edit(uri, 0, 0, "import requests\n")

    await until(lambda: bool(editor.diagnostics.get(uri)))
    begin = len("import requests\né = ") + start
    place = types.Range(editor.position(uri, begin), editor.position(uri, begin + 12))
    await until(lambda: editor.diagnostics[uri][0].range == place)
    shown = editor.diagnostics[uri][0]
    assert (shown.code, shown.source, shown.tags) == ("S501", "unsay", None)
    fix, unsay, *allow = await editor.actions(uri, begin, begin, [types.CodeActionKind.QuickFix])
    assert fix.edit is not None and fix.edit.changes == {
        uri: (types.TextEdit(place, "verify=True"),)
    }
    assert unsay.command is not None and unsay.command.command == "unsay.unsaySelection"
    assert [action.title for action in allow] == [
        "Allow S501 on this line",
        "Allow S501 in this workspace",
        "Never block S501",
    ]
    editor.insert(uri, place, "verify=True")
    await until(lambda: editor.diagnostics[uri] == [])


async def test_a_deprecated_call_is_struck_through(fake: FakeServer, editor: Editor) -> None:
    found = mark(kind="deprecated", start=0, end=4, severity="low")
    fake.say = lambda body: [choice("oldf()", action="warned", marks=[found])]
    uri = editor.open("demo.py", "")
    (item,) = await editor.ghosts(uri)

    await editor.accept(uri, item)

    await until(lambda: bool(editor.diagnostics.get(uri)))
    (shown,) = editor.diagnostics[uri]
    assert shown.tags == (types.DiagnosticTag.Deprecated,)
    assert shown.severity == types.DiagnosticSeverity.Information
