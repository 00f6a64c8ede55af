"""A person at an editor: a real language client over stdio that types, looks and takes back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from commands.demo.scenes import Scene


@dataclass(frozen=True)
class Shown:
    """What the editor was given at a cursor."""

    text: str
    """Empty when the language server had nothing it would say."""
    waited_ms: float


class Typist:
    """Start with `open`, end with `close`; one document is open for each scene."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._client = LanguageClient("unsay-demo", "1")
        self._versions: dict[str, int] = {}
        for method in ("window/showMessage", "textDocument/publishDiagnostics", "unsay/status"):
            self._client.feature(method)(_see)

    async def open(self, command: Sequence[str], environment: Mapping[str, str]) -> float:
        """Start the language server; returns how long it took to answer `initialize`, in ms."""
        started = time.perf_counter()
        start = cast(Callable[..., Awaitable[None]], self._client.start_io)  # pyright: ignore[reportUnknownMemberType]
        await start(*command, env=dict(environment))
        await self._client.initialize_async(
            types.InitializeParams(
                capabilities=types.ClientCapabilities(
                    text_document=types.TextDocumentClientCapabilities(
                        inline_completion=types.InlineCompletionClientCapabilities()
                    ),
                ),
                client_info=types.ClientInfo("unsay-demo", "1"),
                initialization_options={"debounceMs": 0},
                root_uri=self._workspace.as_uri(),
                workspace_folders=[types.WorkspaceFolder(self._workspace.as_uri(), "demo")],
            )
        )
        answered_ms = (time.perf_counter() - started) * 1000
        self._client.initialized(types.InitializedParams())
        return answered_ms

    async def close(self) -> None:
        await self._client.shutdown_async(None)
        self._client.exit(None)
        await self._client.stop()

    def open_file(self, scene: Scene) -> None:
        """The file as it stands before the last few keys."""
        path = self._workspace / scene.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scene.opened + scene.suffix, encoding="utf-8")
        self._versions[path.as_uri()] = 1
        self._client.text_document_did_open(
            types.DidOpenTextDocumentParams(
                types.TextDocumentItem(path.as_uri(), "python", 1, path.read_text(encoding="utf-8"))
            )
        )

    async def type_keys(self, scene: Scene) -> Shown:
        """Type the rest of the prefix key by key, then look at what is offered."""
        text = scene.opened
        for key in scene.typed:
            self._insert(scene, text, key)
            text += key
        return await self.look(scene)

    async def look(self, scene: Scene) -> Shown:
        """What is offered at the scene's cursor now."""
        uri = (self._workspace / scene.path).as_uri()
        started = time.perf_counter()
        answer = await self._client.text_document_inline_completion_async(
            types.InlineCompletionParams(
                text_document=types.TextDocumentIdentifier(uri),
                position=_position(scene.prefix),
                context=types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            )
        )
        waited_ms = (time.perf_counter() - started) * 1000
        items = answer.items if isinstance(answer, types.InlineCompletionList) else answer or []
        text = str(items[0].insert_text) if items else ""
        line = scene.prefix.rpartition("\n")[2]
        return Shown(text.removeprefix(line[len(line) - len(line.lstrip()) :]), waited_ms)

    async def command(self, name: str, *arguments: Any) -> Any:
        return await self._client.workspace_execute_command_async(
            types.ExecuteCommandParams(name, list(arguments))
        )

    def _insert(self, scene: Scene, before: str, key: str) -> None:
        uri = (self._workspace / scene.path).as_uri()
        self._versions[uri] += 1
        place = _position(before)
        self._client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self._versions[uri], uri),
                [types.TextDocumentContentChangePartial(types.Range(place, place), key)],
            )
        )


def _see(*_message: Any) -> None:
    """What an editor would show in a corner; the demo prints the same in its own words."""


def _position(text: str) -> types.Position:
    """The end of `text`; the demo's files are ASCII, so all encodings agree."""
    line = text.rpartition("\n")[2]
    return types.Position(text.count("\n"), len(line))
