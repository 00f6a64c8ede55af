"""What a person can do about a suggestion, through a real client."""

from __future__ import annotations

import asyncio

import pytest
from fake_server import FakeServer, choice, mark, run_state
from lsp_editor import Editor, until
from lsprotocol import types

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEAK = "requests.get(url, verify=False)"


async def test_a_selection_is_unsaid_with_its_surroundings(
    fake: FakeServer, editor: Editor
) -> None:
    text = "é = '🎉'\nr = " + LEAK + "\nprint(r)\n"
    uri = editor.open("demo.py", text)
    start = text.index(LEAK)

    actions = await editor.actions(uri, start - 1, start + len(LEAK))

    assert [(action.title, action.kind) for action in actions] == [
        ("Unsay this", types.CodeActionKind.Refactor)
    ]
    command = actions[0].command
    assert command is not None
    item = await editor.run(command.command, *(command.arguments or []))
    assert item["id"] == "item1"
    assert fake.items == [
        {
            "prefix": text[:start],
            "suffix": "\nprint(r)\n",
            "target": LEAK,
            "start": 0,
            "end": len(LEAK),
            "kind": "user",
            "language": "python",
            "path": uri.rpartition("/")[2],
        }
    ]


async def test_a_selection_inside_a_taken_suggestion_blames_a_part_of_it(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice(LEAK)]
    uri = editor.open("demo.py", "r = ")
    (item,) = await editor.ghosts(uri)
    await editor.accept(uri, item)
    start = editor.texts[uri].index("verify=False")

    (action,) = await editor.actions(uri, start, start + len("verify=False"))
    assert action.command is not None
    await editor.run(action.command.command, *(action.command.arguments or []))

    (posted,) = fake.items
    assert posted["target"] == LEAK
    assert posted["target"][posted["start"] : posted["end"]] == "verify=False"
    assert posted["prefix"] == "r = "
    assert posted["suggestion"].endswith("s1-0")


async def test_the_last_suggestion_is_unsaid_with_what_was_typed_instead(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice(LEAK)]
    uri = editor.open("demo.py", "r = ")
    await editor.ghosts(uri)
    for key in "requests.get(url, timeout=5)":
        editor.type_at_end(uri, key)

    await editor.run("unsay.unsayLast")

    (posted,) = fake.items
    blamed = posted["target"][posted["start"] : posted["end"]]
    assert (posted["prefix"], posted["target"]) == ("r = ", LEAK)
    assert (blamed, posted["replacement"]) == ("verify=False", "timeout=5")


async def test_after_unsaying_the_server_is_asked_anew(fake: FakeServer, editor: Editor) -> None:
    fake.say = lambda body: [choice(LEAK)]
    uri = editor.open("demo.py", "r = ")
    await editor.ghosts(uri)

    await editor.run("unsay.unsayLast")
    await editor.ghosts(uri)

    assert len(fake.asked) == 2


async def test_an_answer_under_way_while_something_is_unsaid_is_not_shown_any_more(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice(LEAK)]
    uri = editor.open("demo.py", "r = ")
    await editor.ghosts(uri)
    editor.type_at_end(uri, " ")
    fake.delay_s = 1.0
    under_way = asyncio.create_task(editor.ghosts(uri))
    await until(lambda: len(fake.asked) == 2)

    await editor.run("unsay.unsayLast")
    shown = await under_way
    fake.delay_s = 0.0
    again = await editor.ghosts(uri)

    assert shown == []
    assert [item.insert_text for item in again] == [f"r =  {LEAK}"]
    assert len(fake.asked) == 3


async def test_what_was_unsaid_last_is_taken_back(fake: FakeServer, editor: Editor) -> None:
    fake.say = lambda body: [choice(LEAK)]
    uri = editor.open("demo.py", "r = ")
    await editor.ghosts(uri)
    await editor.run("unsay.unsayLast")

    await editor.run("unsay.takeBack")
    await editor.run("unsay.takeBack", "nonsense/../item")

    assert fake.taken_back == ["item1"]
    await until(lambda: any("there is no item" in message for message in editor.messages))


async def test_a_block_is_explained_and_shows_nothing(fake: FakeServer, editor: Editor) -> None:
    found = mark(kind="secret", rule="AWS Access Key", message="a key of AWS", end=20)
    blocked = choice("", action="blocked", reason="It holds a secret.", findings=[found])
    fake.say = lambda body: [blocked]
    uri = editor.open("demo.py", "key = ")

    items = await editor.ghosts(uri)
    said = await editor.run("unsay.explain")

    assert items == []
    assert said == (
        "**Held back: the suggestion was not shown.**\n\nIt holds a secret.\n\n"
        "- `AWS Access Key` (secret, CWE-295): a key of AWS\n\n"
        "What to do: Read the value from the environment or a secret store instead of writing it "
        "down.\n\nTo see it all the same, once: `unsay.allowOnce`.\n\n"
        "To let it pass for good: a comment `unsay: allow[AWS Access Key]` on the line, the code "
        "actions there, or `unsay allow AWS Access Key`."
    )
    last = editor.statuses[-1].lastAction
    assert (last.action, last.rule, last.reason) == (
        "blocked",
        "AWS Access Key",
        "It holds a secret.",
    )
    assert fake.events == []


async def test_a_block_is_allowed_once(fake: FakeServer, editor: Editor) -> None:
    fake.say = lambda body: [choice("", action="blocked", reason="No.", findings=[mark()])]
    uri = editor.open("demo.py", "key = ")
    await editor.ghosts(uri)

    await editor.run("unsay.allowOnce")
    await editor.ghosts(uri)
    await editor.ghosts(uri)

    assert [body["unsay"].get("bans") for body in fake.asked] == [None, False]
    assert fake.asked[1]["unsay"]["allow"] is True


async def test_a_server_that_cannot_let_its_guard_rest_is_asked_without_bans(
    fake: FakeServer, editor: Editor
) -> None:
    fake.say = lambda body: [choice("", action="blocked", reason="No.", findings=[mark()])]
    uri = editor.open("demo.py", "key = ")
    await editor.ghosts(uri)
    fake.unknown_field = "allow"

    await editor.run("unsay.allowOnce")
    await editor.ghosts(uri)

    assert fake.asked[-1]["unsay"].get("bans") is False
    assert "allow" not in fake.asked[-1]["unsay"]


async def test_a_refresh_shows_its_progress(fake: FakeServer, editor: Editor) -> None:
    fake.run_states = [
        run_state(),
        run_state(phase="train", done=5, total=10),
        run_state(phase="gate", state="promoted", message="Generation g000001 serves."),
    ]

    run = await editor.run("unsay.refresh", "rebuild")

    assert run["id"] == "r1"
    assert fake.refreshes == [{"mode": "rebuild"}]
    await until(lambda: any(value["kind"] == "end" for value in editor.progress))
    kinds = [(value["kind"], value.get("percentage")) for value in editor.progress]
    assert kinds == [("begin", 0), ("report", 0), ("report", 40), ("end", None)]
    await until(lambda: "Refresh promoted. Generation g000001 serves." in editor.messages)


async def test_closing_the_progress_bar_ends_only_the_watching(
    fake: FakeServer, editor: Editor
) -> None:
    fake.run_states = [run_state(phase="train", done=i, total=200) for i in range(200)]
    await editor.run("unsay.refresh")
    await until(lambda: len(editor.progress) > 2)

    editor.client.window_work_done_progress_cancel(
        types.WorkDoneProgressCancelParams(editor.progress_tokens[-1])
    )

    await until(lambda: editor.progress[-1]["kind"] == "end")
    await until(lambda: any("goes on unseen" in message for message in editor.messages))


async def test_a_refused_refresh_says_why(fake: FakeServer, editor: Editor) -> None:
    await editor.run("unsay.refresh")

    await until(lambda: "a refresh runs already: wait for its end" in editor.messages)


async def test_status_names_server_and_state(fake: FakeServer, editor: Editor) -> None:
    status = await editor.run("unsay.status")

    assert (status["state"], status["generation"]) == ("ready", "base")
    assert status["url"].startswith("http://127.0.0.1:")
