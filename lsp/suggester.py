"""From a cursor to what is offered there: excluded, kept quiet, known already, or asked for."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from lsp import answers
from lsp.answers import Choice, Json
from lsp.config import LspConfig
from lsp.connection import Connection
from lsp.cursor import Cursor, covered_rest
from lsp.debounce import Debounce
from lsp.documents import Document
from lsp.errors import ServerRefused
from lsp.event_log import EventLog
from lsp.exclusion import Exclusion
from lsp.keeper import Keeper
from lsp.offers import Offer
from lsp.status import StatusBoard
from lsp.typed_through import Hit, TypedThrough

_PATIENCE_S = 10.0
"""How long an explicit request waits for a server that is starting."""
_UNASKED_PATIENCE_S = 1.5
"""How long one that nobody asked for does: some editors stand still meanwhile."""


@dataclass(frozen=True)
class Lead:
    """The entry that is selected in the editor's own list: a suggestion must begin with it."""

    text: str
    start: int
    """The offset in the document where it would go."""
    typed: int
    """How much of it stands there already."""


@dataclass(frozen=True)
class Request:
    """One question of the editor."""

    document: Document
    cursor: Cursor
    """With the lead in it, where there is one."""
    invoked: bool
    """The person asked for it; else the editor did, by itself."""
    alternatives: int
    lead: Lead | None = None


class Suggester:
    """Asks the server, and no more often than needed."""

    def __init__(
        self,
        connection: Connection,
        keeper: Keeper,
        exclusion: Exclusion,
        cache: TypedThrough,
        board: StatusBoard,
        log: EventLog,
    ) -> None:
        self.config = LspConfig()
        self.debounce = Debounce("")
        self.client = ""
        self.roots: list[str] = []
        self.allowed_once: str | None = None
        """The document in which the next suggestion may say what is banned."""
        self.asked = 0
        """How many suggestions the server has been asked for."""
        self._connection = connection
        self._keeper = keeper
        self._exclusion = exclusion
        self._cache = cache
        self._board = board
        self._log = log

    async def offers(self, request: Request) -> tuple[list[Offer], tuple[Choice, ...]]:
        """What to offer, and the choices that have just come from the server."""
        document, cursor = request.document, request.cursor
        if not self.config.covers(document.language_id or ""):
            return [], ()
        verdict = await self._exclusion.verdict(document, self.roots)
        self._board.excluded(verdict.reason)
        if verdict.is_excluded:
            self._log.write("excluded")
            return [], ()
        if not request.invoked and (cursor.is_inside_word or not cursor.is_at_end_of_line):
            return [], ()
        hit = self._known(request)
        if hit is not None:
            self._log.write("typed_through", typed=hit.typed, choices=len(hit.choices))
            return _offers(request, hit), ()
        choices = await self._ask(request)
        if choices is None:
            return [], ()
        return _offers(request, Hit(choices, 0, cursor.prefix, cursor.suffix)), choices

    async def warm_body(self, request: Request) -> Json | None:
        """What to send for the server to read ahead; None where it must not or cannot."""
        document = request.document
        if not self.config.covers(document.language_id or "") or not self._keeper.reach.is_ready:
            return None
        if (await self._exclusion.verdict(document, self.roots)).is_excluded:
            return None
        body = self._body(request)
        return {**body, "unsay": {**self._ours(document), "warm": True}}

    def _known(self, request: Request) -> Hit | None:
        if request.lead is not None or self.allowed_once == request.document.uri:
            return None
        return self._cache.get(request.document.uri, request.cursor, request.alternatives)

    async def _ask(self, request: Request) -> tuple[Choice, ...] | None:
        document, cursor = request.document, request.cursor
        version = document.version
        if not request.invoked:
            now = time.monotonic()
            await asyncio.sleep(self.debounce.left_s(now, document.changed_at))
        if not self._keeper.reach.is_ready:
            self._keeper.look()
            patience_s = _PATIENCE_S if request.invoked else _UNASKED_PATIENCE_S
            if not await self._keeper.ready(patience_s):
                return None
        if document.version != version:
            return None
        began, edition = time.monotonic(), self._cache.edition
        with self._board.working():
            answer = await self._post(request)
        choices = tuple(answers.choices(answer))
        self._log.write(
            "answered", ms=round((time.monotonic() - began) * 1000), choices=len(choices)
        )
        if edition != self._cache.edition:
            return None  # the ledger changed under way
        if self.allowed_once == document.uri:
            self.allowed_once = None
        else:
            self._cache.put(document.uri, cursor, choices, request.alternatives)
        return choices if document.version == version else None

    def _body(self, request: Request) -> dict[str, object]:
        return {
            "prompt": request.cursor.prefix,
            "suffix": request.cursor.suffix,
            "max_tokens": self.config.max_tokens,
            "temperature": 0,
            "n": request.alternatives,
        }

    async def _post(self, request: Request) -> Json:
        ours = self._ours(request.document)
        body = {**self._body(request), "unsay": ours}
        self.asked += 1
        try:
            return await self._connection.post("/v1/completions", body)
        except ServerRefused as refused:
            if refused.code != "unknown_field" or "allow" not in ours:
                raise
            del ours["allow"]  # an older server can lift its bans, but not the guard
            return await self._connection.post("/v1/completions", body)

    def _ours(self, document: Document) -> dict[str, object]:
        ours: dict[str, object] = {
            "language": document.language_id or "",
            "path": relative_path(document, self.roots),
            "document": document.uri,
            "client": self.client,
        }
        if (root := root_of(document, self.roots)) is not None:
            ours["workspace"] = root
        if self.allowed_once == document.uri:
            ours |= {"bans": False, "allow": True}
        return ours


def root_of(document: Document, roots: list[str]) -> str | None:
    """The workspace's folder that holds the document; None for one from elsewhere."""
    if not document.uri.startswith("file:") or not document.path:
        return None
    path = document.path.replace("\\", "/")
    for root in roots:
        folder = root.replace("\\", "/").rstrip("/")
        if path.startswith(folder + "/"):
            return folder
    return None


def relative_path(document: Document, roots: list[str]) -> str | None:
    """The document's path inside the workspace, or its name; None for an unsaved one."""
    if not document.uri.startswith("file:") or not document.path:
        return None
    path, root = document.path.replace("\\", "/"), root_of(document, roots)
    return path.rpartition("/")[2] if root is None else path[len(root) + 1 :]


def _offers(request: Request, hit: Hit) -> list[Offer]:
    """The choices as offers at the request's cursor; what is empty or said twice is left out."""
    cursor = request.cursor
    offers: dict[str, Offer] = {}
    for choice in hit.choices:
        text = choice.text
        if not cursor.is_at_end_of_line:  # only asked for by hand: stay on the line
            text = text[: hit.typed] + text[hit.typed :].partition("\n")[0]
        rest = text[hit.typed :]
        if not rest.strip() or choice.action == "blocked" or rest in offers:
            continue
        offers[rest] = _offer(request, hit, choice, text)
    return list(offers.values())


def _offer(request: Request, hit: Hit, choice: Choice, text: str) -> Offer:
    uri, lead = request.document.uri, request.lead
    if lead is not None:
        return Offer(
            uri=uri,
            choice=choice,
            text=lead.text + text,
            anchor=lead.start,
            prefix=hit.prefix,
            suffix=hit.suffix,
            lead=len(lead.text),
            taken=lead.typed,
        )
    return Offer(
        uri=uri,
        choice=choice,
        text=text,
        anchor=request.cursor.offset - hit.typed,
        prefix=hit.prefix,
        suffix=hit.suffix,
        covers=covered_rest(text[hit.typed :], request.cursor.rest),
        taken=hit.typed,
    )
