"""Finds deprecated and removed names in a Python suggestion, right for the workspace's packages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.guard.api_index import ApiIndex, Deprecation
from server.guard.finding import Case, Finding
from server.guard.languages import family
from server.guard.python_names import NameUse, name_uses

CWE = "CWE-477"
MOST_SUGGESTION_CHARS = 20_000
"""A longer suggestion is looked at up to here: no completion is that long, only a whole file is."""
_NAME = re.compile(r"[A-Za-z_]\w*")


class DeprecatedDetector:
    """Names that the workspace's packages deprecate."""

    name = "deprecated"

    def __init__(self, index: ApiIndex) -> None:
        self._index = index

    def find(self, case: Case) -> Sequence[Finding]:
        """Deprecated names that end inside the suggestion."""
        if family(case.language) != "python":
            return ()
        rest = case.suffix[:200].split("\n", 1)[0]
        typed = re.search(r"\w*\Z", case.prefix[-100:])
        words = set(_NAME.findall((typed[0] if typed else "") + case.suggestion + rest))
        if words.isdisjoint(self._index.last_names):
            return ()
        text, offset, uses = name_uses(case.prefix, case.suggestion, rest)
        found = [self._finding(text, offset, len(case.suggestion), use) for use in uses]
        unique = {(one.start, one.end): one for one in found if one is not None}
        return sorted(unique.values(), key=lambda one: one.start)

    def status(self) -> str:
        return self._index.status()

    def close(self) -> None:
        self._index.close()

    def _finding(self, text: str, offset: int, length: int, use: NameUse) -> Finding | None:
        known = self._index.get(use.path)
        if known is None or (known.is_constructor and not use.is_called):
            return None
        start, end = use.start - offset, min(use.end - offset, length)
        whole = use.whole_start - offset
        if end <= 0:
            return None
        replaced = _replacement(text, offset, use, known)
        if replaced is not None and replaced[0] >= 0 and replaced[1] <= length:
            start, end, replacement = replaced
        else:
            replacement = None
            if start < 0 and whole < 0:
                replacement = _continued(text, offset, use, known)
        severity = "high" if known.is_removed else "medium"
        message = _message(known)
        span = max(0, start), end
        return Finding("deprecated", use.path, CWE, *span, message, replacement, severity)


def _message(known: Deprecation) -> str:
    verb = "is no longer there" if known.is_removed else "is deprecated"
    if known.use is not None:
        return f"`{known.path}` {verb} in {known.package}: use {_named(known)} instead."
    text = known.text.strip(" .*")
    text = "" if len(text) < 20 else text
    return f"`{known.path}` {verb} in {known.package}" + (f": {text}." if text else ".")


def _named(known: Deprecation) -> str:
    use = known.use or ""
    if not re.fullmatch(r"[\w.]+", use):
        return use
    parent = known.path.rpartition(".")[0]
    return f"`{use}`" if "." in use or not parent else f"`{parent}.{use}`"


def _replacement(
    text: str, offset: int, use: NameUse, known: Deprecation
) -> tuple[int, int, str] | None:
    """Start, end (in the suggestion) and text that put the successor in place of the name."""
    if known.attribute is not None:
        call = re.compile(r"\(\s*\)").match(text, use.end)
        return (use.start - offset, call.end() - offset, known.attribute) if call else None
    if use.is_import or known.use is None or not (known.is_drop_in or known.first):
        return None
    parent, _, last = known.use.rpartition(".")
    if known.first is None and (not parent or parent == known.path.rpartition(".")[0]):
        if use.path.rpartition(".")[2] != text[use.start : use.end]:
            return None  # an alias: `from threading import currentThread as current`
        if use.whole_start == use.start:
            return None  # a bare name: its successor is not imported
        return use.start - offset, use.end - offset, last
    if text[use.whole_start : use.end] != known.path:
        return None  # only a name written out in full tells that the successor's root is there
    if known.first is None:
        return use.whole_start - offset, use.end - offset, known.use
    call = re.compile(r"\(\s*(\)?)").match(text, use.end)
    if call is None:
        return None
    opened = f"{known.use}({known.first}" + (")" if call[1] else ", ")
    return use.whole_start - offset, call.end() - offset, opened


def _continued(text: str, offset: int, use: NameUse, known: Deprecation) -> str | None:
    """The rest of the successor's name, where the user has typed the part that both share."""
    replaced = _replacement(text, offset, use, known)
    typed = text[use.start : offset]
    if replaced is None or replaced[0] != use.start - offset or not replaced[2].startswith(typed):
        return None
    return replaced[2][len(typed) :]
