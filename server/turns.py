"""Whose turn it is: of two requests for one document only the newer one is worth its answer."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event

from server.errors import Busy

MOST_SPARE = 4
"""As many documents as the engine keeps warm."""


class Turn:
    """One request's permission to go on; read between two tokens by the engine's thread."""

    def __init__(self, deadline_ms: float) -> None:
        self._over = Event()
        self._ends_at = time.monotonic() + deadline_ms / 1000
        self.reason: str | None = None

    def is_over(self) -> bool:
        return self._over.is_set() or time.monotonic() >= self._ends_at

    def end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._over.set()

    def why(self) -> str:
        """One sentence on why there is no suggestion."""
        return self.reason or "It took longer than the deadline."


class Turns:
    """The requests under way."""

    def __init__(self, deadline_ms: float, most: int) -> None:
        self._deadline_ms = deadline_ms
        self._most = most
        self._newest: dict[str, Turn] = {}
        self._under_way: set[Turn] = set()
        self._spare: dict[str, Turn] = {}
        """What is done ahead of a request, by document, the oldest first."""

    @property
    def waiting(self) -> int:
        """How many requests are under way."""
        return len(self._under_way)

    @contextmanager
    def take(self, document: str) -> Generator[Turn]:
        """A turn for a request about `document`, ending that of the request before it.

        Raises Busy when too many wait. An unnamed document has no newest request.
        """
        before = self._newest.get(document)
        if before is None and len(self._under_way) >= self._most:
            raise Busy(f"{self._most} requests wait for the model already: ask again in a moment")
        if before is not None:
            before.end("A newer request for the same document replaced this one.")
        for turn in self._spare.values():
            turn.end("Somebody waits for a suggestion.")
        turn = Turn(self._deadline_ms)
        self._under_way.add(turn)
        if document:
            self._newest[document] = turn
        try:
            yield turn
        finally:
            turn.end("The client went away.")
            self._under_way.discard(turn)
            if self._newest.get(document) is turn:
                del self._newest[document]

    @contextmanager
    def spare(self, document: str) -> Generator[Turn | None]:
        """A turn for what may as well be left undone; None while anybody waits for a suggestion.

        The document's newest one wins, and any request ends it.
        """
        if self._under_way:
            yield None
            return
        old = self._spare.pop(document, None)
        if old is None and len(self._spare) >= MOST_SPARE:
            old = self._spare.pop(next(iter(self._spare)))
        if old is not None:
            old.end("A newer one replaced it.")
        turn = self._spare[document] = Turn(self._deadline_ms)
        try:
            yield turn
        finally:
            turn.end("It is done.")
            if self._spare.get(document) is turn:
                del self._spare[document]

    def end_all(self) -> None:
        for turn in (*self._under_way, *self._spare.values()):
            turn.end("The server is stopping.")
