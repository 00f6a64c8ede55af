"""One editor's session: the parts, wired; and what happens between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types

from lsp import diagnostics
from lsp.answers import Choice
from lsp.config import LspConfig
from lsp.connection import Connection
from lsp.debounce import Debounce
from lsp.documents import Document
from lsp.errors import LspError, ServerTrouble
from lsp.event_log import EventLog
from lsp.exclusion import Exclusion
from lsp.explanation import Explained
from lsp.keeper import Keeper, Reach
from lsp.kept import Kept, KeptTexts
from lsp.launcher import Launcher
from lsp.newest import Newest
from lsp.offers import Fate, Offer, Offers
from lsp.protocol import EditorServer
from lsp.status import METHOD, LastAction, StatusBoard
from lsp.suggester import Suggester
from lsp.typed_through import TypedThrough
from lsp.warming import Warmer

_CONFIGURED_S = 2.0
"""An editor that announces settings and never sends them gets the defaults."""
_REMEMBERED = 200
"""Of how many suggestions the last fate is kept."""


@dataclass(frozen=True)
class ServerStart:
    """How to start a server where none answers."""

    command: Sequence[str]
    environment: Mapping[str, str]


class Session:
    """Everything that lives as long as the editor's connection."""

    def __init__(
        self, editor: EditorServer, home: Path, config: LspConfig, start: ServerStart
    ) -> None:
        self.editor = editor
        self.defaults = config
        self.config = config
        self.has_inline_completion = False
        self.has_snippets = False
        self.has_progress = False
        self.has_configuration = False
        self.can_register_configuration = False
        self.explained: Explained | None = None
        self.last_offer: Offer | None = None
        self.last_after_chars = 0
        """How much text stood behind the last offer when it was shown."""
        self.last_item: str | None = None
        self.log = EventLog()
        self.board = StatusBoard(lambda status: editor.messages.notify(METHOD, status))
        self.connection = Connection(home)
        self.keeper = Keeper(
            self.connection, Launcher(home, start.command, start.environment), self._reached
        )
        self.exclusion = Exclusion()
        self.cache = TypedThrough()
        self.offers = Offers(self._ended)
        self.kept = KeptTexts()
        self.newest = Newest()
        self.suggester = Suggester(
            self.connection, self.keeper, self.exclusion, self.cache, self.board, self.log
        )
        self.warmer = Warmer(self.connection, self.suggester)
        self.unsettled: dict[str, tuple[str, Choice]] = {}
        """Suggestions, with their documents, that the server still looks at."""
        self.is_listening = False
        self._configured = asyncio.Event()
        self.closed_bars: set[str | int] = set()
        """Progress bars that the person has closed."""
        self._fates: dict[str, Fate] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, params: types.InitializeParams) -> None:
        """Take over what the editor said of itself."""
        self.editor.messages.adopt(params)
        info = params.client_info
        client = f"{info.name} {info.version or ''}".strip() if info else "unknown"
        self.suggester.client = client
        self.suggester.debounce = Debounce(client)
        self.offers.batches_typing = "vim" in client.lower()
        self._read_capabilities(params.capabilities)

    def _read_capabilities(self, able: types.ClientCapabilities) -> None:
        text = able.text_document
        self.has_inline_completion = bool(text and text.inline_completion)
        items = text.completion.completion_item if text and text.completion else None
        self.has_snippets = bool(items and items.snippet_support)
        self.has_progress = bool(able.window and able.window.work_done_progress)
        workspace = able.workspace
        self.has_configuration = bool(workspace and workspace.configuration)
        changed = workspace.did_change_configuration if workspace else None
        self.can_register_configuration = bool(changed and changed.dynamic_registration)

    def configure(self, config: LspConfig) -> None:
        """Use `config` from now on."""
        self.config = config
        self.suggester.config = config
        self.suggester.roots = self.editor.documents.roots
        self.suggester.debounce.fixed_ms = config.debounce_ms
        self.exclusion.use(config.exclude)
        self.keeper.may_start = config.start_server
        self.log.path = config.event_log
        self.board.enabled(config.enable)
        self._configured.set()

    async def configured(self) -> None:
        """Wait for the editor's settings, which come after its first requests."""
        try:
            async with asyncio.timeout(_CONFIGURED_S):
                await self._configured.wait()
        except TimeoutError:
            self.configure(self.config)

    def shown(self, document: Document, offers: list[Offer], after_chars: int) -> None:
        """`offers` go to the editor's screen now."""
        self.offers.sweep()
        if not offers:  # a late or superseded answer says nothing of what is on the screen
            return
        for offer in self.offers.show(document.uri, offers):
            self.report(offer.choice.suggestion, "shown")
        self.last_offer, self.last_after_chars = offers[0], after_chars

    def answered(self, uri: str, choices: tuple[Choice, ...]) -> None:
        """The server has given `choices`; remember what it did to them."""
        acted = next((choice for choice in choices if choice.action is not None), None)
        if acted is not None:
            self.explained = Explained(acted, uri)
            self.board.acted(
                LastAction(acted.action or "", self.explained.rule, acted.reason or "")
            )

    def edited(self, document: Document) -> None:
        """The document changed: follow it in all that points into it."""
        marks_moved = False
        for edit in document.take_edits():
            last = self.last_offer
            if last is not None and last.uri == document.uri and not self._is_open(last):
                last.move(edit)
            marks_moved = self.kept.edited(document.uri, edit) or marks_moved
            self.offers.edited(document.uri, edit)
        self.suggester.debounce.key(time.monotonic())
        if marks_moved:
            self.publish(document.uri)

    def closed(self, uri: str) -> None:
        self.offers.close(uri)
        self.kept.close(uri)
        self.cache.clear()
        self.publish(uri)

    def publish(self, uri: str) -> None:
        """Send the document's diagnostics anew."""
        document = self.editor.documents.document(uri)
        found = diagnostics.of(document, self.kept.marks(uri)) if document else []
        self.editor.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, diagnostics=found)
        )

    def accepted_late(self, suggestion: str) -> None:
        """The editor says that `suggestion` was accepted after it was off our screen."""
        if self._fates.get(suggestion) != "accepted":
            self.report(suggestion, "accepted")

    def report(self, suggestion: str, fate: Fate, accepted_chars: int | None = None) -> None:
        """Tell the server what became of a suggestion, whenever it has time."""
        self._fates[suggestion] = fate
        while len(self._fates) > _REMEMBERED:
            del self._fates[next(iter(self._fates))]
        self.log.write(fate, suggestion=suggestion, accepted_chars=accepted_chars)
        body: dict[str, object] = {"suggestion": suggestion, "event": fate}
        if accepted_chars is not None:
            body["accepted_chars"] = accepted_chars
        self.spawn("events", self._post_event(body))

    def tell(self, message: str, kind: types.MessageType = types.MessageType.Info) -> None:
        self.editor.window_show_message(types.ShowMessageParams(type=kind, message=message))

    def complain(self, message: str) -> None:
        self.tell(message, types.MessageType.Warning)

    def failed(self, where: str, error: Exception) -> None:
        """Something of ours broke: the log gets its kind and place, never its text."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        line = trace.tb_lineno if trace else 0
        file = Path(trace.tb_frame.f_code.co_filename).name if trace else ""
        self.log.write("failed", where=where, error=type(error).__name__, file=file, line=line)

    def spawn(self, where: str, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` run beside the requests."""
        task = asyncio.get_running_loop().create_task(self._guarded(where, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Report what is still open and let go of the server."""
        self.offers.close_all()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=1.0)
        await self.keeper.end()
        await self.connection.close()

    async def _guarded(self, where: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ServerTrouble as trouble:
            self.log.write("trouble", where=where, error=type(trouble).__name__)
        except LspError as error:
            self.complain(str(error))
        except Exception as error:  # the edge: a task has nobody above it
            self.failed(where, error)

    def _is_open(self, offer: Offer) -> bool:
        return any(each is offer for each in self.offers.open_in(offer.uri))

    async def _post_event(self, body: dict[str, object]) -> None:
        await self.connection.post("/v1/events", body)

    def _reached(self, reach: Reach) -> None:
        if reach.health is not None:
            self.cache.serve(reach.health.generation)
        self.offers.sweep()
        self.board.reached(reach)
        self.log.write("server", ready=reach.is_ready)

    def _ended(self, offer: Offer, fate: Fate) -> None:
        if fate in ("accepted", "typed_through", "partly_accepted"):
            chars = offer.accepted_chars
            self.report(offer.choice.suggestion, fate, chars)
            kept = self.kept.add(offer)
            if kept.marks:
                self.publish(offer.uri)
            if fate == "accepted":
                asyncio.get_running_loop().call_later(
                    self.config.retained_after_s, self._look_again, kept
                )
        else:
            self.report(offer.choice.suggestion, fate)

    def _look_again(self, kept: Kept) -> None:
        if kept.span is not None and not kept.is_closed:
            self.report(kept.suggestion, "retained", len(kept.text))
