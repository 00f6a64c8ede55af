"""What became of the suggestions shown: read from the edits, in every editor alike.

An editor tells at most of a full accept. Taking a word, typing the suggestion out and going
another way are seen in the text that follows. Knows nothing of the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from lsp.answers import Choice
from lsp.spans import Edit

Fate = Literal["shown", "accepted", "partly_accepted", "typed_through", "rejected", "retained"]

_STALE_S = 60.0
"""A suggestion that nobody touched for so long is off the screen."""
_PIECE_CHARS = 2
_BATCHED_PIECE_CHARS = 8
"""Neovim sends the typing of 150 ms as one edit, so a few characters at once are still typing."""


@dataclass
class Offer:
    """A suggestion on an editor's screen."""

    uri: str
    choice: Choice
    text: str
    """The suggested text: the choice's, perhaps cut to one line."""
    anchor: int
    """The offset in the document where the text begins."""
    prefix: str
    suffix: str
    """What it was asked for with."""
    lead: int = 0
    """How much of the text is the editor's own list entry, before the choice's text."""
    covers: int = 0
    """How many characters behind the cursor the text says itself and replaces."""
    taken: int = 0
    """How much of the text stands in the document already."""
    by_piece: int = 0
    """How much of that came in pieces too large for typing."""
    touched_at: float = field(default_factory=time.monotonic)

    @property
    def rest(self) -> str:
        return self.text[self.taken :]

    @property
    def frontier(self) -> int:
        """The offset where the rest would go."""
        return self.anchor + self.taken

    @property
    def accepted_chars(self) -> int:
        """How much of the choice's own text stands in the document."""
        return max(0, self.taken - self.lead)

    def move(self, edit: Edit) -> None:
        """Follow an edit that stands wholly before the text."""
        if edit.end <= self.anchor and edit.start < self.anchor:
            self.anchor += edit.growth


Ended = Callable[[Offer, Fate], None]


class Offers:
    """The open offers of each document; `ended` is told once how each one ended."""

    def __init__(self, ended: Ended) -> None:
        self.batches_typing = False
        self._ended = ended
        self._open: dict[str, list[Offer]] = {}

    def show(self, uri: str, offers: list[Offer]) -> list[Offer]:
        """Put `offers` on the screen of `uri`; answers those that were not there before."""
        before = {offer.choice.suggestion: offer for offer in self._open.get(uri, [])}
        fresh: list[Offer] = []
        shown: list[Offer] = []
        for offer in offers:
            known = before.pop(offer.choice.suggestion, None)
            if known is not None and known.frontier == offer.frontier:
                known.touched_at = time.monotonic()
                shown.append(known)
            else:
                shown.append(offer)
                if known is None:
                    fresh.append(offer)
        self._open[uri] = shown
        for offer in before.values():
            self._close(offer)
        return fresh

    def open_in(self, uri: str) -> list[Offer]:
        return self._open.get(uri, [])

    def edited(self, uri: str, edit: Edit) -> None:
        """Follow one edit of `uri`."""
        still_open: list[Offer] = []
        finished: list[tuple[Offer, Fate]] = []
        for offer in self._open.get(uri, []):
            if not self._follow(offer, edit):
                finished.append((offer, _end(offer)))
            elif not offer.rest:
                finished.append((offer, "accepted" if offer.by_piece else "typed_through"))
            else:
                still_open.append(offer)
        taken = [offer for offer, fate in finished if fate in ("accepted", "typed_through")]
        if taken:  # the alternatives to what was taken go with it
            finished.extend((offer, "rejected") for offer in still_open)
            still_open = []
        self._open[uri] = still_open
        for offer, fate in finished:
            self._ended(offer, fate)

    def accepted(self, suggestion: str) -> bool:
        """The editor says that it put in all of `suggestion`; False if that is not open."""
        for uri, offers in self._open.items():
            for offer in offers:
                if offer.choice.suggestion == suggestion:
                    offer.taken = len(offer.text)
                    self._open[uri] = []
                    for other in offers:
                        self._ended(other, "accepted" if other is offer else "rejected")
                    return True
        return False

    def change(self, choice: Choice) -> bool:
        """The guard has come to another view of a suggestion; whether it is on a screen."""
        open_offers = [
            offer
            for offers in self._open.values()
            for offer in offers
            if offer.choice.suggestion == choice.suggestion
        ]
        for offer in open_offers:
            offer.choice = choice
        return bool(open_offers)

    def close(self, uri: str) -> None:
        for offer in self._open.pop(uri, []):
            self._close(offer)

    def close_all(self) -> None:
        for uri in list(self._open):
            self.close(uri)

    def sweep(self) -> None:
        """End what nobody has touched for long."""
        oldest = time.monotonic() - _STALE_S
        for uri, offers in list(self._open.items()):
            if offers and all(offer.touched_at < oldest for offer in offers):
                self.close(uri)

    def _close(self, offer: Offer) -> None:
        self._ended(offer, _end(offer))

    def _follow(self, offer: Offer, edit: Edit) -> bool:
        """Whether the offer still stands after `edit`."""
        offer.touched_at = time.monotonic()
        if edit.start == offer.frontier and edit.end - edit.start <= offer.covers and edit.text:
            return self._take(offer, edit)
        if edit.end <= offer.anchor:
            offer.anchor += edit.growth
            return True
        if edit.start >= offer.frontier:
            return True
        if offer.anchor <= edit.start and edit.end == offer.frontier and not edit.text:
            offer.taken = edit.start - offer.anchor
            offer.by_piece = min(offer.by_piece, offer.taken)
            return True
        return False

    def _take(self, offer: Offer, edit: Edit) -> bool:
        common = _common(offer.rest, edit.text)
        beyond = edit.text[common:]
        closed_by_editor = beyond != "" and all(char in ")]}\"'`" for char in beyond)
        if common == 0 or (beyond and not closed_by_editor and common < len(offer.rest)):
            return False
        offer.taken += common
        if common >= (_BATCHED_PIECE_CHARS if self.batches_typing else _PIECE_CHARS):
            offer.by_piece += common
        if edit.start < edit.end:
            offer.covers = 0
        elif closed_by_editor:
            offer.covers = max(offer.covers, len(beyond))
        return True


def _end(offer: Offer) -> Fate:
    """How an offer ended that was not taken whole."""
    return "partly_accepted" if offer.by_piece else "rejected"


def _common(a: str, b: str) -> int:
    shortest = min(len(a), len(b))
    return next((i for i in range(shortest) if a[i] != b[i]), shortest)
