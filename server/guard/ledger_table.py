"""Ledger items prepared for one pass over a suggestion; immutable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from server.guard.blamed import Entry
from server.guard.secret_ends import SecretEnds
from server.guard.text_pass import TextPass
from server.guard.variants import Said, VariantIndex

LEAST_CHARS = 3


class Hit(NamedTuple):
    """Where an item's text, or a form of it, stands."""

    entry: Entry
    start: int
    end: int
    is_sure: bool = True


class LedgerTable:
    """The blamed texts of some items."""

    def __init__(self, entries: Iterable[Entry], among: int) -> None:
        """`among`: how many there are with those of other tables."""
        kept = [entry for entry in entries if len(entry.folded) >= LEAST_CHARS]
        by_text: dict[str, tuple[Entry, ...]] = {}
        for entry in kept:
            by_text[entry.folded] = (*by_text.get(entry.folded, ()), entry)
        self._texts = TextPass(by_text)
        self._secrets = [entry for entry in kept if entry.kind == "secret"]
        self._ends = SecretEnds([entry.folded for entry in self._secrets])
        self._varied = [each[0] for each in by_text.values() if each[0].has_variants]
        self._variants = VariantIndex([entry.folded for entry in self._varied], among)
        self.longest = max(map(len, by_text), default=0)
        """Characters of the longest text."""

    def whole(self, folded: str) -> Iterator[Hit]:
        """Texts as they were blamed; `folded` has single blanks."""
        for end, entries in self._texts.hits(folded):
            for entry in entries:
                yield Hit(entry, end - len(entry.folded), end)

    def parts_of_secrets(self, text: str) -> Iterator[Hit]:
        """Secrets that `text` says in the greater part."""
        for number, start, end in self._ends.find(text):
            yield Hit(self._secrets[number], start, end)

    def variants(self, said: Said) -> Iterator[Hit]:
        """Forms of the texts in `said`; see `VariantIndex.find`."""
        for one in self._variants.find(said):
            yield Hit(self._varied[one.text], one.start, one.end, one.is_sure)

    @property
    def has_variants(self) -> bool:
        return bool(self._varied)
