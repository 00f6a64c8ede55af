"""Finds text that a ledger item says must not be suggested again.

A long blamed text is found wherever it stands, white space folded. A short one (`md5`) is found
only as it was blamed: with the dotted name around it and as an argument of the same call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from server.guard.finding import Case, Finding
from server.guard.keywords import KeywordPass
from server.guard.stitched import surrounded, touched_lines
from store.records import Kind

SHORT_CHARS = 16
"""A blamed text below this needs its surroundings, unless it is a secret."""
LEAST_CHARS = 3
MOST_BLAMED_CHARS = 4000
MOST_CONTEXT_CHARS = 500
_SPACE = re.compile(r"\s+")
_DOTTED_BEFORE = re.compile(r"[\w.]*\Z")
_DOTTED_AFTER = re.compile(r"[\w.]*")
_QUOTED = re.compile(r"""[A-Za-z]{0,2}(["'`])(.{3,})\1""")
_CANDIDATE = re.compile(r"""["'`]([^"'`\n]{6,500})["'`]|[\w+/=.:~!@#$%^&*-]{6,500}""")


class ForgottenItem(Protocol):
    """What is read of a ledger item (`store.records.Item` fits)."""

    @property
    def kind(self) -> Kind: ...
    @property
    def rule(self) -> str: ...
    @property
    def created_at(self) -> str: ...
    @property
    def prefix(self) -> str | None: ...
    @property
    def target(self) -> str | None: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def replacement(self) -> str | None: ...
    @property
    def blamed(self) -> str | None: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def blamed_chars(self) -> int: ...


@dataclass(frozen=True)
class _Entry:
    rule: str
    kind: Kind
    since: str
    replacement: str | None
    folded: str
    dotted: str | None
    """The dotted name around the blamed text, for a short one."""
    callee: str | None
    """The call it was an argument of, for a short one."""


class LedgerDetector:
    """The live items of the ledger; `set_items` replaces them."""

    name = "ledger"

    def __init__(self) -> None:
        self._words: KeywordPass[tuple[_Entry, ...]] = KeywordPass({})
        self._longest = 0
        self._destroyed: dict[str, _Entry] = {}
        self._lengths: frozenset[int] = frozenset()
        self._fingerprint: Callable[[str], str] | None = None

    def set_items(
        self, items: Iterable[ForgottenItem], fingerprint: Callable[[str], str] | None = None
    ) -> None:
        """From now on find `items`; with `fingerprint`, also those whose text is destroyed."""
        by_text: dict[str, tuple[_Entry, ...]] = {}
        destroyed: dict[str, _Entry] = {}
        lengths: set[int] = set()
        for item in items:
            entry = _entry(item)
            if entry is None:
                destroyed[item.fingerprint] = _blank(item)
                lengths.add(item.blamed_chars)
            elif len(entry.folded) >= LEAST_CHARS:
                by_text[entry.folded] = (*by_text.get(entry.folded, ()), entry)
        self._words, self._longest = KeywordPass(by_text), max(map(len, by_text), default=0)
        self._destroyed, self._lengths = destroyed, frozenset(lengths)
        self._fingerprint = fingerprint

    def find(self, case: Case) -> Sequence[Finding]:
        """Blamed texts that the suggestion says, alone or continuing what stands before it."""
        around = min(2 * self._longest + 100, MOST_BLAMED_CHARS)
        middle = surrounded(case, around if self._longest else 0, 0)
        folded, found = _SPACE.sub(" ", middle.text), list[Finding]()
        offsets: list[int] | None = None
        for end, entries in self._words.hits(folded):
            offsets = offsets or _offsets(middle.text)
            for entry in entries:
                start_at = offsets[end + 1 - len(entry.folded)]
                span = middle.span(start_at, offsets[end] + 1)
                if span is None or not case.suggestion[span[0] : span[1]].strip():
                    continue
                if _fits(entry, case.prefix, case.suggestion, start_at - middle.start, span[1]):
                    is_whole = start_at >= middle.start
                    found.append(_finding(entry, span, entry.replacement if is_whole else None))
        found += self._fingerprinted(case)
        unique = {(one.start, one.end): one for one in found}
        return sorted(unique.values(), key=lambda one: one.start)

    def status(self) -> str:
        return "ok"

    def close(self) -> None:
        """Nothing is held."""

    def _fingerprinted(self, case: Case) -> Iterator[Finding]:
        if not self._destroyed or self._fingerprint is None:
            return
        lines = touched_lines(case)
        for match in _CANDIDATE.finditer(lines.text, max(0, lines.start - MOST_CONTEXT_CHARS)):
            for group in (0, 1):  # blamed with its quotes, or without
                text, span = match[group], lines.span(*match.span(group))
                if text is None or span is None or len(text) not in self._lengths:
                    continue
                entry = self._destroyed.get(self._fingerprint(text))
                if entry is not None:
                    yield _finding(entry, span, None)


def _entry(item: ForgottenItem) -> _Entry | None:
    """How to find an item; None where its text has been destroyed."""
    blamed = item.blamed
    if blamed is None or item.target is None:
        return None
    folded = _SPACE.sub(" ", blamed).strip()[:MOST_BLAMED_CHARS]
    if item.kind == "secret" and (quoted := _QUOTED.fullmatch(folded)) is not None:
        folded = quoted[2]  # the next time the user may have typed the quotes
    entry = replace(_blank(item), folded=folded, replacement=item.replacement)
    if item.kind == "secret" or len(folded) >= SHORT_CHARS:
        return entry
    dotted, callee = _context(item.prefix or "", item.target, item.start, item.end)
    return replace(entry, dotted=dotted, callee=callee)


def _blank(item: ForgottenItem) -> _Entry:
    return _Entry(item.rule, item.kind, item.created_at[:10], None, "", None, None)


def _fits(entry: _Entry, prefix: str, suggestion: str, start: int, end: int) -> bool:
    """Whether whole words match, and for a short text the same name and call stand around it."""
    text = prefix[-MOST_CONTEXT_CHARS:] + suggestion
    shift = len(text) - len(suggestion)
    start, end = start + shift, end + shift
    if start < 0:
        return True
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    if (before.isalnum() and text[start].isalnum()) or (
        after.isalnum() and text[end - 1].isalnum()
    ):
        return False
    if entry.dotted is None:
        return True
    return (entry.dotted, entry.callee) == _context("", text, start, end)


def _context(prefix: str, target: str, start: int, end: int) -> tuple[str, str | None]:
    """The dotted name around a span, white space folded, and the call it is an argument of."""
    before = prefix[-MOST_CONTEXT_CHARS:] + target[:start]
    left, right = _DOTTED_BEFORE.search(before[-200:]), _DOTTED_AFTER.match(target[end : end + 200])
    name = left[0] if left else ""
    dotted = name + target[start:end] + (right[0] if right else "")
    return _SPACE.sub(" ", dotted), _callee(before[: len(before) - len(name)])


def _callee(before: str) -> str | None:
    """The name before the bracket that is still open at the end of `before`, on few lines."""
    depth = 0
    for offset in range(len(before) - 1, max(-1, len(before) - MOST_CONTEXT_CHARS), -1):
        if before[offset] in ")]}":
            depth += 1
        elif before[offset] in "([{":
            if depth == 0:
                name = _DOTTED_BEFORE.search(before[:offset])
                return name[0] if name else ""
            depth -= 1
    return None


def _offsets(text: str) -> list[int]:
    """For each character of the folded text, its offset in `text`."""
    offsets: list[int] = []
    was_space = False
    for offset, character in enumerate(text):
        is_space = character.isspace()
        if not (is_space and was_space):
            offsets.append(offset)
        was_space = is_space
    return offsets


def _finding(entry: _Entry, span: tuple[int, int], replacement: str | None) -> Finding:
    message = (
        f"This was unsaid on {entry.since} ({entry.kind}, {entry.rule}); take the item back in the"
        " ledger if it may be said again."
    )
    rule = f"ledger:{entry.rule}"
    return Finding("forgotten", rule, None, span[0], span[1], message, replacement, "high")
