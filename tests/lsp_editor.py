"""A small editor for the tests: opens, types and asks over standard input and output."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, cast

from fake_server import FakeServer
from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.protocol import LanguageServerProtocol

from lsp.documents import Document
from lsp.positions import Lines

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-I", "-m", "unsay", "lsp", "--stdio")

VS_CODE = "Visual Studio Code"
NEOVIM = "Neovim"

Encoding = Literal["utf-8", "utf-16", "utf-32"]
CODECS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
UNIT_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


class Editor:
    """One running `unsay lsp` and what it told us."""

    def __init__(self, client: LanguageClient, workspace: Path) -> None:
        self.client = client
        self.workspace = workspace
        self.encoding: Encoding = "utf-16"
        self.messages: list[str] = []
        self.statuses: list[Any] = []
        self.taken_back: list[Any] = []
        self.diagnostics: dict[str, list[types.Diagnostic]] = {}
        self.progress: list[Any] = []
        self.progress_tokens: list[types.ProgressToken] = []
        self.settings: object = None
        self.versions: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        self.started_s = 0.0
        self.page = ""
        """Goes before the names of files, so that tests on one editor have their own."""

    def uri(self, name: str) -> str:
        return name if ":" in name else (self.workspace / (self.page + name)).as_uri()

    def open(self, name: str, text: str, language: str = "python") -> str:
        uri = self.uri(name)
        self.versions[uri], self.texts[uri] = 1, text
        self.client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, language, 1, text))
        )
        return uri

    def edit(self, uri: str, start: int, end: int, new: str) -> None:
        """Replace `[start, end)`, character offsets, as one change."""
        text = self.texts[uri]
        change = types.TextDocumentContentChangePartial(
            range=types.Range(self.position(uri, start), self.position(uri, end)), text=new
        )
        self.texts[uri] = text[:start] + new + text[end:]
        self.versions[uri] += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.versions[uri], uri), [change]
            )
        )

    def type_at_end(self, uri: str, new: str) -> None:
        end = len(self.texts[uri])
        self.edit(uri, end, end, new)

    def position(self, uri: str, offset: int) -> types.Position:
        """A position counted by Python's own codecs, not by what is tested."""
        before = self.texts[uri][:offset]
        line_start = before.rfind("\n") + 1
        units = len(before[line_start:].encode(CODECS[self.encoding]))
        return types.Position(before.count("\n"), units // UNIT_BYTES[self.encoding])

    async def ghosts(
        self,
        uri: str,
        offset: int | None = None,
        *,
        invoked: bool = False,
        selected: types.SelectedCompletionInfo | None = None,
    ) -> list[types.InlineCompletionItem]:
        """The inline completions at `offset`, or at the end."""
        at = len(self.texts[uri]) if offset is None else offset
        kind = types.InlineCompletionTriggerKind
        answer = await self.client.text_document_inline_completion_async(
            types.InlineCompletionParams(
                context=types.InlineCompletionContext(
                    kind.Invoked if invoked else kind.Automatic, selected
                ),
                text_document=types.TextDocumentIdentifier(uri),
                position=self.position(uri, at),
            )
        )
        assert answer is None or isinstance(answer, types.InlineCompletionList)
        return list(answer.items) if answer else []

    async def entries(
        self, uri: str, offset: int | None = None
    ) -> list[types.CompletionItem] | None:
        at = len(self.texts[uri]) if offset is None else offset
        answer = await self.client.text_document_completion_async(
            types.CompletionParams(types.TextDocumentIdentifier(uri), self.position(uri, at))
        )
        assert answer is None or isinstance(answer, types.CompletionList)
        return None if answer is None else list(answer.items)

    def insert(self, uri: str, place: types.Range, new: str) -> None:
        """Put a text in as an editor does that takes an item."""
        start, end = self._offset(uri, place.start), self._offset(uri, place.end)
        self.edit(uri, start, end, new)

    async def accept(self, uri: str, item: types.InlineCompletionItem) -> None:
        """Tab: the text goes in, then the item's command runs."""
        assert item.range is not None and isinstance(item.insert_text, str) and item.command
        self.insert(uri, item.range, item.insert_text)
        await self.run(item.command.command, *(item.command.arguments or []))

    async def run(self, command: str, *arguments: Any) -> Any:
        return await self.client.workspace_execute_command_async(
            types.ExecuteCommandParams(command, arguments=list(arguments) or None)
        )

    async def actions(
        self, uri: str, start: int, end: int, only: list[types.CodeActionKind | str] | None = None
    ) -> list[types.CodeAction]:
        place = types.Range(self.position(uri, start), self.position(uri, end))
        context = types.CodeActionContext([], only)
        asked = types.CodeActionParams(types.TextDocumentIdentifier(uri), place, context)
        found = await self.client.text_document_code_action_async(asked)
        read = self.client.protocol._converter.structure  # pyright: ignore[reportPrivateUsage]
        return [read(action, types.CodeAction) for action in cast(list[Any], found) or []]

    def configure(self, settings: Mapping[str, object]) -> None:
        """Push settings, as an editor does that is not asked for them."""
        self.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams({"unsay": settings})
        )

    async def state(self, wanted: str) -> Any:
        """The status `wanted`, once it is there."""
        await until(lambda: bool(self.statuses) and self.statuses[-1].state == wanted)
        return self.statuses[-1]

    def _offset(self, uri: str, position: types.Position) -> int:
        lines = self.texts[uri].split("\n")
        units = lines[position.line].encode(CODECS[self.encoding])
        inside = units[: position.character * UNIT_BYTES[self.encoding]]
        before = sum(len(line) + 1 for line in lines[: position.line])
        return before + len(inside.decode(CODECS[self.encoding]))


class ClientProtocol(LanguageServerProtocol):
    """Leaves code actions as JSON: lsprotocol takes one that has a command for a command."""

    def get_result_type(self, method: str) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (
            None if method == types.TEXT_DOCUMENT_CODE_ACTION else super().get_result_type(method)
        )


async def until(happened: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait until `happened`, and fail when it does not."""
    end = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


def capabilities(
    *,
    inline: bool = True,
    snippets: bool = True,
    progress: bool = True,
    configuration: bool = False,
    encoding: Encoding = "utf-16",
) -> types.ClientCapabilities:
    return types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=[encoding]),
        window=types.WindowClientCapabilities(work_done_progress=progress),
        workspace=types.WorkspaceClientCapabilities(configuration=configuration),
        text_document=types.TextDocumentClientCapabilities(
            inline_completion=types.InlineCompletionClientCapabilities() if inline else None,
            completion=types.CompletionClientCapabilities(
                completion_item=types.ClientCompletionItemOptions(snippet_support=snippets)
            ),
        ),
    )


@asynccontextmanager
async def editing(
    home: Path,
    workspace: Path,
    *,
    name: str = VS_CODE,
    able: types.ClientCapabilities | None = None,
    settings: Mapping[str, object] | None = None,
    command: tuple[str, ...] = COMMAND,
    environment: Mapping[str, str] | None = None,
) -> AsyncGenerator[Editor]:
    """An editor on `workspace`, initialized, with a server that is ready or will never be."""
    workspace.mkdir(exist_ok=True)
    client = LanguageClient("tests", "1", protocol_cls=ClientProtocol)
    editor = Editor(client, workspace)
    able = able or capabilities()
    offered = able.general.position_encodings if able.general else None
    editor.encoding = "utf-16" if not offered else str(getattr(offered[0], "value", offered[0]))  # pyright: ignore[reportAttributeAccessIssue]
    _listen(editor)
    began = time.perf_counter()
    environment = environment or {**os.environ, "UNSAY_HOME": str(home)}
    start: Any = client.start_io  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    await start(command[0], *command[1:], env=environment, cwd=str(ROOT))
    result = await client.initialize_async(
        types.InitializeParams(
            capabilities=able,
            client_info=types.ClientInfo(name, "1.0"),
            workspace_folders=[types.WorkspaceFolder(workspace.as_uri(), "work")],
            initialization_options={"startServer": False, **(settings or {})},
        )
    )
    editor.started_s = time.perf_counter() - began
    assert result.capabilities.position_encoding == editor.encoding
    client.initialized(types.InitializedParams())
    try:
        yield editor
        await client.shutdown_async(None)
    finally:
        client.exit(None)
        await client.stop()


@asynccontextmanager
async def shared_desk(folder: Path) -> AsyncGenerator[tuple[FakeServer, Editor]]:
    """One editor and its server, for the tests that need nothing special of them."""
    fake = FakeServer(folder / "home")
    async with fake.listening(), editing(fake.home, folder / "work") as editor:
        await editor.state("ready")
        yield fake, editor


def _listen(editor: Editor) -> None:
    def message(params: types.ShowMessageParams) -> None:
        editor.messages.append(params.message)

    def status(params: Any) -> None:
        editor.statuses.append(params)

    def taken_back(params: Any) -> None:
        editor.taken_back.append(params)

    def diagnostics(params: types.PublishDiagnosticsParams) -> None:
        editor.diagnostics[params.uri] = list(params.diagnostics)

    def configuration(params: types.ConfigurationParams) -> list[object]:
        return [editor.settings for _ in params.items]

    def bar(params: types.WorkDoneProgressCreateParams) -> None:
        editor.progress_tokens.append(params.token)

    def progress(params: types.ProgressParams) -> None:
        editor.progress.append(params.value)

    handlers: dict[str, Callable[[Any], Any]] = {
        types.WINDOW_SHOW_MESSAGE: message,
        "unsay/status": status,
        "unsay/takenBack": taken_back,
        types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS: diagnostics,
        types.WORKSPACE_CONFIGURATION: configuration,
        types.WINDOW_WORK_DONE_PROGRESS_CREATE: bar,
        types.PROGRESS: progress,
    }
    for name, handler in handlers.items():
        editor.client.feature(name)(handler)


def lines_of(text: str, encoding: Encoding) -> Lines:
    """The server's own view of positions, for comparison."""
    from pygls.workspace import PositionCodec

    return Lines(text, PositionCodec(encoding))


def document(text: str, uri: str = "file:///work/demo.py", language: str = "python") -> Document:
    return Document(uri, source=text, version=1, language_id=language)
