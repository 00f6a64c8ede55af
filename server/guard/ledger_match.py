"""Finds what a ledger item says must not be suggested again, also in another form.

Whole texts are found as `blamed` says. Besides, a text of 16 characters or more that is no secret
is found reformatted, with its names changed, or in part (`variants`); a secret of 18 or more, by
two thirds of it that include an end (`secret_ends`). A shorter text has no variants: to see `md5`
or `x = None` in other places would flag ordinary code. Of a destroyed text only the ledger's keyed
fingerprint is left, which finds it whole, in any quotes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from server.guard.blamed import (
    MOST_BLAMED_CHARS,
    MOST_CONTEXT_CHARS,
    Entry,
    ForgottenItem,
    blank,
    entry_of,
    fits,
    single_blanks,
)
from server.guard.finding import Case, Finding, Severity
from server.guard.ledger_table import LedgerTable
from server.guard.stitched import Stitched, surrounded, touched_lines
from server.guard.variants import Said

MOST_HITS = 5000
"""Looked at in one suggestion."""
MOST_VARIED_CHARS = 12_000
VARIED_CONTEXT_CHARS = 400
LEAST_SETTLED = 200
MOST_CHANGED = 0.05
"""Of the settled items; with more changes since, the first table is made anew."""
_SPACES = re.compile(r"\s{2,}")
_CANDIDATE = re.compile(r"""["'`]([^"'`\n]{6,500})["'`]|[\w+/=.:~!@#$%^&*-]{6,500}""")
_QUOTES = ("", '"', "'", "`")


@dataclass(frozen=True)
class _Known:
    """Everything that one check reads, so that a change is seen whole or not at all."""

    tables: tuple[LedgerTable, ...] = ()
    gone: frozenset[int] = frozenset()
    """Identities of entries that a table holds and the ledger no longer does."""
    destroyed: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    lengths: frozenset[int] = frozenset()
    fingerprint: Callable[[str], str] | None = None


class _Folded:
    """A text with single blanks."""

    def __init__(self, text: str) -> None:
        self._original = text
        self.text = single_blanks(text)

    def offset(self, at: int) -> int:
        """Where the character at `at` stands in the original."""
        where = bisect_right(self._runs[0], at)
        return at + (self._runs[1][where - 1] if where else 0)

    @cached_property
    def _runs(self) -> tuple[list[int], list[int]]:
        """Where each run of blanks that became one ends, and how many are gone up to there."""
        ends, gone = list[int](), list[int]()
        for run in _SPACES.finditer(self._original):
            gone.append((gone[-1] if gone else 0) + len(run[0]) - 1)
            ends.append(run.end() - gone[-1])
        return ends, gone


class LedgerDetector:
    """The live items of the ledger; `set_items` replaces them."""

    name = "ledger"
    is_deferred = False

    def __init__(self) -> None:
        self._known = _Known()
        self._entries: dict[int, tuple[ForgottenItem, Entry | None]] = {}
        """By the identity of the items, which are held so that none is taken for another."""
        self._settled: dict[int, Entry] = {}
        """What the first table holds."""

    def set_items(
        self, items: Iterable[ForgottenItem], fingerprint: Callable[[str], str] | None = None
    ) -> None:
        """From now on find `items`; with `fingerprint`, also those whose text is destroyed.

        Items that are the same objects as before cost next to nothing.
        """
        old, entries = self._entries, dict[int, tuple[ForgottenItem, Entry | None]]()
        for item in items:
            entries[id(item)] = old.get(id(item)) or (item, entry_of(item))
        self._entries = entries
        live = {key: entry for key, (_, entry) in entries.items() if entry is not None}
        tables, gone = self._tables(live)
        destroyed = [item for item, entry in entries.values() if entry is None]
        self._known = _Known(
            tables,
            gone,
            {item.fingerprint: blank(item) for item in destroyed},
            frozenset(item.blamed_chars for item in destroyed),
            fingerprint,
        )

    def find(self, case: Case) -> Sequence[Finding]:
        """Blamed texts that the suggestion says, alone or continuing what stands before it."""
        known = self._known
        found = list(_whole(known, case))
        named = {id(entry) for entry, _ in found}
        for entry, one in [*_parts(known, case), *_varied(known, case)]:
            if id(entry) not in named:
                found.append((entry, one))
        findings = [one for entry, one in found if id(entry) not in known.gone]
        findings += _fingerprinted(known, case)
        unique = {(one.start, one.end): one for one in findings}
        return sorted(unique.values(), key=lambda one: one.start)

    def status(self) -> str:
        return "ok"

    def close(self) -> None:
        """Nothing is held."""

    def _tables(self, live: dict[int, Entry]) -> tuple[tuple[LedgerTable, ...], frozenset[int]]:
        """The tables, and what is no longer live in them: new items have a small one of their own
        until there are many."""
        recent = [entry for key, entry in live.items() if self._settled.get(key) is not entry]
        gone = [entry for key, entry in self._settled.items() if live.get(key) is not entry]
        most = MOST_CHANGED * len(self._settled)
        if len(self._settled) >= LEAST_SETTLED and len(recent) + len(gone) <= most:
            return (self._known.tables[0], LedgerTable(recent, len(live))), frozenset(map(id, gone))
        self._settled = live
        return (LedgerTable(live.values(), len(live)),), frozenset()


def _whole(known: _Known, case: Case) -> Iterator[tuple[Entry, Finding]]:
    longest = max((table.longest for table in known.tables), default=0)
    around = min(2 * longest + 100, MOST_BLAMED_CHARS)
    middle = surrounded(case, around if longest else 0, 0)
    folded = _Folded(middle.text)
    # a text that ends before the suggestion is not said by it
    skipped = max(0, len(single_blanks(middle.text[: middle.start])) - longest)
    for table in known.tables:
        for count, hit in enumerate(table.whole(folded.text[skipped:])):
            if count == MOST_HITS:
                break
            start_at = folded.offset(hit.start + skipped)
            end_at = folded.offset(hit.end - 1 + skipped) + 1
            span = middle.span(start_at, end_at)
            if span is None or not case.suggestion[span[0] : span[1]].strip():
                continue
            start = start_at - middle.start
            if fits(hit.entry, case.prefix, case.suggestion, start, span[1]):
                replacement = hit.entry.replacement if start >= 0 else None
                yield hit.entry, _finding(hit.entry, span, replacement)


def _parts(known: _Known, case: Case) -> Iterator[tuple[Entry, Finding]]:
    lines = touched_lines(case)
    for table in known.tables:
        for hit in table.parts_of_secrets(lines.text):
            if span := lines.span(hit.start, hit.end):
                yield hit.entry, _finding(hit.entry, span, None, "The greater part of this")


def _varied(known: _Known, case: Case) -> Iterator[tuple[Entry, Finding]]:
    if not any(table.has_variants for table in known.tables):
        return
    middle = _from_line_start(case)
    said = Said(middle.text, middle.start)
    for table in known.tables:
        for hit in table.variants(said) if table.has_variants else ():
            span, text = middle.span(hit.start, hit.end), middle.text[hit.start : hit.end]
            if span is not None and text not in case.prefix and text not in case.suffix:
                severity = "high" if hit.is_sure else "low"
                yield hit.entry, _finding(hit.entry, span, None, "Nearly this", severity)


def _fingerprinted(known: _Known, case: Case) -> Iterator[Finding]:
    if not known.destroyed or known.fingerprint is None:
        return
    lines = touched_lines(case)
    for match in _CANDIDATE.finditer(lines.text, max(0, lines.start - MOST_CONTEXT_CHARS)):
        group = 0 if match[1] is None else 1
        text, span = match[group], lines.span(*match.span(group))
        for quote in _QUOTES if span is not None else ():
            said = quote + text + quote  # as it was blamed, with its quotes or without
            if len(said) in known.lengths:
                entry = known.destroyed.get(known.fingerprint(said))
                if entry is not None and span is not None:
                    yield _finding(entry, span, None)


def _from_line_start(case: Case) -> Stitched:
    """The suggestion and some whole lines before it."""
    before = case.prefix[-VARIED_CONTEXT_CHARS:]
    if len(case.prefix) > VARIED_CONTEXT_CHARS:
        before = before[before.find("\n") + 1 :]
    text = before + case.suggestion[:MOST_VARIED_CHARS]
    return Stitched(text, len(before), len(text))


def _finding(
    entry: Entry,
    span: tuple[int, int],
    replacement: str | None,
    what: str = "This",
    severity: Severity = "high",
) -> Finding:
    message = (
        f"{what} was unsaid on {entry.since} ({entry.kind}, {entry.rule}); take the item back in"
        " the ledger if it may be said again."
    )
    rule = f"ledger:{entry.rule}"
    return Finding("forgotten", rule, None, span[0], span[1], message, replacement, severity)
