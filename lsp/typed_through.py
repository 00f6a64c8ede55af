"""Suggestions kept while the person types them out: no request for what is known already.

Kept in memory only, for a short time, and only for the generation that said them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from lsp.answers import Choice
from lsp.cursor import Cursor

_ENTRIES = 64
_FRESH_S = 60.0
"""The ledger may have changed from elsewhere; a minute is the longest that goes unseen."""
_CLOSERS = frozenset(")]}\"'`")


@dataclass(frozen=True)
class Known:
    """What was answered for one place."""

    offset: int
    before: int
    after: int
    """Hashes of the text around it; the texts themselves are not kept."""
    after_chars: int
    choices: tuple[Choice, ...]
    prefix: str
    suffix: str
    alternatives: int
    at: float


@dataclass(frozen=True)
class Hit:
    """Choices whose text begins with what was typed since."""

    choices: tuple[Choice, ...]
    typed: int
    prefix: str
    suffix: str


class TypedThrough:
    """The answers of the last minute, of one generation."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int, int], Known] = OrderedDict()
        self._generation: str | None = None
        self.edition = 0
        """Changes with each `clear`: an answer asked for before may not hold any more."""

    def put(self, uri: str, cursor: Cursor, choices: tuple[Choice, ...], alternatives: int) -> None:
        for choice in choices:
            self.serve(choice.generation)
        known = Known(
            offset=cursor.offset,
            before=hash(cursor.before),
            after=hash(cursor.after),
            after_chars=len(cursor.after),
            choices=choices,
            prefix=cursor.prefix,
            suffix=cursor.suffix,
            alternatives=alternatives,
            at=time.monotonic(),
        )
        self._known[(uri, known.offset, known.before)] = known
        while len(self._known) > _ENTRIES:
            self._known.popitem(last=False)

    def get(self, uri: str, cursor: Cursor, alternatives: int) -> Hit | None:
        """What is known for `cursor`, the latest first; an empty answer counts as known."""
        oldest = time.monotonic() - _FRESH_S
        for (where, _, _), known in reversed(self._known.items()):
            if where != uri or known.at < oldest or known.alternatives < alternatives:
                continue
            hit = _hit(known, cursor)
            if hit is not None:
                return hit
        return None

    def drop(self, suggestion: str) -> None:
        """Forget a suggestion that was taken back, and what else was answered with it."""
        for key, known in list(self._known.items()):
            if any(choice.suggestion == suggestion for choice in known.choices):
                del self._known[key]

    def change(self, choice: Choice) -> None:
        """Put `choice` in the place of what is known of that suggestion."""
        for key, known in self._known.items():
            if any(each.suggestion == choice.suggestion for each in known.choices):
                choices = tuple(
                    choice if each.suggestion == choice.suggestion else each
                    for each in known.choices
                )
                self._known[key] = replace(known, choices=choices)

    def serve(self, generation: str) -> None:
        """`generation` is the serving one now: what others said is dropped."""
        if generation and generation != self._generation:
            self._known.clear()
            self._generation = generation

    def clear(self) -> None:
        """The ledger or the rules have changed: forget what was said under the earlier ones."""
        self._known.clear()
        self.edition += 1


def _hit(known: Known, cursor: Cursor) -> Hit | None:
    typed = cursor.before[known.offset :]
    closed = len(cursor.after) - known.after_chars
    if cursor.offset < known.offset or not 0 <= closed <= len(typed):
        return None
    if not _CLOSERS.issuperset(cursor.after[:closed]):
        return None
    fitting = tuple(
        choice
        for choice in known.choices
        if choice.text.startswith(typed) and (len(choice.text) > len(typed) or not typed)
    )
    if not fitting and (typed or known.choices):
        return None
    if hash(cursor.before[: known.offset]) != known.before:
        return None
    if hash(cursor.after[closed:]) != known.after:
        return None
    return Hit(fitting, len(typed), known.prefix, known.suffix)
