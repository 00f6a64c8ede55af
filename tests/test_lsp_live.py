"""The language server with the real server and a real, small model."""

from __future__ import annotations

import json
from pathlib import Path

from live_server import LiveServer, live_server
from lsp_editor import Editor, editing, until
from tiny_model import FILES


async def ask(editor: Editor, name: str) -> list[str]:
    """What is offered where the model knows something by heart."""
    prefix, _, suffix = FILES[name]
    uri = editor.open(f"{name}_{len(editor.texts)}.py", prefix + suffix)
    items = await editor.ghosts(uri, len(prefix), invoked=True)
    return [item.insert_text for item in items if isinstance(item.insert_text, str)]


def publish(live: LiveServer) -> None:
    address = {"url": live.url, "pid": 1, "version": "0.1.0"}
    live.home.address.write_text(json.dumps(address))


async def test_the_whole_way_from_a_key_to_the_ledger_and_back(
    tiny_model: Path, tmp_path: Path
) -> None:
    async with live_server(tmp_path / "home", tiny_model) as live:
        publish(live)
        async with editing(live.home.root, tmp_path / "work") as editor:
            await editor.state("ready")

            leaked = await ask(editor, "aws")
            explained = await editor.run("unsay.explain")
            said = await ask(editor, "mean")
            item = await editor.run("unsay.unsayLast")
            banned = await ask(editor, "mean")
            await editor.run("unsay.takeBack")
            again = await ask(editor, "mean")
            await until(lambda: editor.statuses[-1].state == "ready")

    assert not any(FILES["aws"][1] in text for text in leaked)
    assert "secret" in explained and FILES["aws"][1] not in explained
    assert said[0].endswith(FILES["mean"][1])
    assert item["state"] == "banned"
    assert not any(FILES["mean"][1] in text for text in banned)
    assert again == said
