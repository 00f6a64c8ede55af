"""Deprecated and removed names in a Python suggestion."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from dataclasses import replace

from server.guard.api_index import ApiIndex
from server.guard.api_replacement import replacement
from server.guard.api_table import Deprecation
from server.guard.finding import Case, Finding
from server.guard.python_names import NameUse, name_uses
from server.guard.python_syntax import Parsed, parse_around
from server.guard.python_types import Meanings

CWE = "CWE-477"
MOST_IMPORTS = 500
_NAME = re.compile(r"[A-Za-z_]\w*")
_IMPORTED = re.compile(r"(?:from|import)[ \t]+(\w+)((?:[ \t]*\.?\w+)*(?:,[ \t]*\w+[^,\n]*)*)")


class PythonDeprecated:
    """Looks the names of a suggestion up in the index of the workspace's packages."""

    def __init__(self, index: ApiIndex) -> None:
        self._index = index
        self._imported: tuple[str, frozenset[str]] = "", frozenset()

    def find(self, case: Case) -> list[Finding]:
        """Deprecated names that end inside the suggestion."""
        rest = case.suffix[:200].split("\n", 1)[0]
        imported = self._prefix_imports(case.prefix) | imported_modules(case.suggestion)
        self._index.want(imported)
        typed = re.search(r"\w*\Z", case.prefix[-100:])
        text = (typed[0] if typed else "") + case.suggestion + rest
        roots = self._index.roots
        words = [
            word
            for word in {*_NAME.findall(text)} & roots.keys()
            if not roots[word].isdisjoint(imported) or not roots[word].isdisjoint(_BUILTINS)
        ]
        if not words:
            return []
        parsed = parse_around(case.prefix, case.suggestion, rest)
        if parsed is None:
            return []
        meanings = Meanings(parsed.source, parsed.root, self._index)
        found: dict[tuple[int, int], Finding] = {}
        for use in name_uses(parsed, meanings, words):
            for one in self._findings(parsed, case.suffix, use):
                found.setdefault((one.start, one.end), one)
        return sorted(found.values(), key=lambda one: one.start)

    def _prefix_imports(self, prefix: str) -> frozenset[str]:
        """Those of the whole lines are kept: while somebody types, few lines are new."""
        lines = prefix[: prefix.rfind("\n") + 1]
        known, imported = self._imported
        if known != lines:
            if not lines.startswith(known):
                known, imported = "", frozenset[str]()
            imported |= imported_modules(lines[len(known) :])
            self._imported = lines, imported
        return imported | imported_modules(prefix[len(lines) :])

    def _findings(self, parsed: Parsed, suffix: str, use: NameUse) -> Iterator[Finding]:
        for path in use.paths:
            if use.keyword is not None:
                known = self._index.arguments(path).get(use.keyword)
            else:
                known = self._index.get(path)
            if known is None or (known.is_constructor and not use.is_called):
                continue
            finding = _finding(parsed, suffix, use, known)
            if finding is not None:
                yield finding
                return


def imported_modules(text: str) -> frozenset[str]:
    """The top-level modules that a text imports; more than those does no harm."""
    found: set[str] = set()
    at, count = text.find("import"), 0
    while at >= 0 and count < MOST_IMPORTS:
        count += 1
        start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        line = text[max(start, at - 200) : min(end if end >= 0 else len(text), at + 400)]
        match = _IMPORTED.search(line)
        if match is not None:
            found.add(match[1])
            found.update(name.strip() for name in re.findall(r",[ \t]*(\w+)", match[2]))
        at = text.find("import", end) if end >= 0 else -1
    return frozenset(found)


_BUILTINS = frozenset(name for name in dir(builtins) if name[0].islower())


def _finding(parsed: Parsed, suffix: str, use: NameUse, known: Deprecation) -> Finding | None:
    length = parsed.characters(parsed.end) - parsed.offset

    def place(byte: int) -> int:
        return parsed.characters(byte) - parsed.offset

    start, end = place(use.start), min(place(use.end), length)
    written: str | None = None
    others = [replace(known, use=known.otherwise)] if known.otherwise else []
    for edit in (replacement(parsed, suffix, use, one) for one in (known, *others)):
        if edit is None or written is not None:
            continue
        first, last = place(edit.start), place(edit.end)
        typed = parsed.source[edit.start : parsed.start].decode("utf-8", "replace")
        if first >= 0 and last <= length:
            start, end, written = first, last, edit.text
        elif first < 0 and last <= length and edit.text.startswith(typed):
            start, end, written = 0, last, edit.text[len(typed) :]  # the user typed what both share
    if end <= max(0, start):
        return None
    is_soft = known.text.startswith("Soft deprecated")
    severity = "high" if known.is_removed else "low" if is_soft else "medium"
    rule = f"{known.path}({known.argument})" if known.argument else known.path
    return Finding("deprecated", rule, CWE, max(0, start), end, message(known), written, severity)


def message(known: Deprecation) -> str:
    """What is wrong with a name, and what to write."""
    verb = "is no longer there" if known.is_removed else "is deprecated"
    name = f"`{known.path}`"
    if known.argument is not None:
        name = f"The argument `{known.argument}` of {name}"
    if known.use is not None:
        use = f"`{known.use}`" if re.fullmatch(r"[\w.]+", known.use) else known.use
        return f"{name} {verb} in {known.package}: use {use} instead."
    text = known.text.strip(" .*")
    text = "" if len(text) < 20 else text
    return f"{name} {verb} in {known.package}" + (f": {text}." if text else ".")
