"""A ledger item as the guard looks for it: its blamed text, and what must stand around a short one.

A long blamed text is found wherever it stands, white space folded. A short one (`md5`) is found
only as it was blamed: with the dotted name around it and as an argument of the same call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Protocol

from store.records import Kind

SHORT_CHARS = 16
"""A blamed text below this needs its surroundings, unless it is a secret."""
MOST_BLAMED_CHARS = 4000
MOST_CONTEXT_CHARS = 500
_DOTTED_BEFORE = re.compile(r"[\w.]*\Z")
_DOTTED_AFTER = re.compile(r"[\w.]*")
_QUOTED = re.compile(r"""[A-Za-z]{0,2}(["'`])(.{3,})\1""")


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
class Entry:
    """What is found again of an item, and what is said about it."""

    rule: str
    kind: Kind
    since: str
    replacement: str | None
    folded: str
    """The blamed text with single blanks; empty where it is destroyed."""
    dotted: str | None
    """The dotted name around the blamed text, for a short one."""
    callee: str | None
    """The call it was an argument of, for a short one."""

    @property
    def has_variants(self) -> bool:
        """Whether other forms of the text are the same: not of a secret, nor of a short one."""
        return self.kind != "secret" and self.dotted is None


def entry_of(item: ForgottenItem) -> Entry | None:
    """How to find an item; None where its text has been destroyed."""
    blamed = item.blamed
    if blamed is None or item.target is None:
        return None
    folded = single_blanks(blamed).strip()[:MOST_BLAMED_CHARS]
    if item.kind == "secret" and (quoted := _QUOTED.fullmatch(folded)) is not None:
        folded = quoted[2]  # the next time the user may have typed the quotes
    entry = replace(blank(item), folded=folded, replacement=item.replacement)
    if item.kind == "secret" or len(folded) >= SHORT_CHARS:
        return entry
    dotted, callee = _context(item.prefix or "", item.target, item.start, item.end)
    return replace(entry, dotted=dotted, callee=callee)


def blank(item: ForgottenItem) -> Entry:
    """What is said about an item whose text is gone."""
    return Entry(item.rule, item.kind, item.created_at[:10], None, "", None, None)


def single_blanks(text: str) -> str:
    """`text` with one blank for each run of white space."""
    before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
    return before + " ".join(text.split()) + after if not text.isspace() else " "


def fits(entry: Entry, prefix: str, suggestion: str, start: int, end: int) -> bool:
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
    return single_blanks(dotted), _callee(before[: len(before) - len(name)])


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
