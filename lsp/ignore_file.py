"""Ignore patterns as git reads them, for `.unsayignore` and the setting `exclude`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class _Rule:
    matches: re.Pattern[str]
    """Against a path relative to the ignore file, with `/`."""
    only_folders: bool
    takes_back: bool


class IgnorePatterns:
    """The rules of one ignore file; raises ValueError for a pattern that cannot be read."""

    def __init__(self, lines: Iterable[str]) -> None:
        try:
            rules = [_rule(line) for line in lines]
        except re.error as error:
            raise ValueError(f"the ignore pattern {error.pattern!r} cannot be read") from error
        self._rules = [rule for rule in rules if rule is not None]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def match(self, path: str) -> bool:
        """Whether the file at the relative `path` is ignored, or a folder above it."""
        parts = path.split("/")
        return any(
            self._decides("/".join(parts[:depth]), is_folder=depth < len(parts))
            for depth in range(1, len(parts) + 1)
        )

    def _decides(self, path: str, *, is_folder: bool) -> bool:
        for rule in reversed(self._rules):
            if (is_folder or not rule.only_folders) and rule.matches.fullmatch(path):
                return not rule.takes_back
        return False


def _rule(line: str) -> _Rule | None:
    pattern = re.sub(r"(?<!\\)[ \t]+$", "", line.rstrip("\r\n"))
    if not pattern or pattern.startswith("#"):
        return None
    takes_back = pattern.startswith("!")
    if takes_back:
        pattern = pattern[1:]
    only_folders = pattern.endswith("/")
    pattern = pattern.rstrip("/") if only_folders else pattern
    if not pattern:
        return None
    anchored = "/" in pattern
    source = _source(pattern.removeprefix("/"))
    return _Rule(
        matches=re.compile(source if anchored else rf"(?:.*/)?{source}", re.DOTALL),
        only_folders=only_folders,
        takes_back=takes_back,
    )


def _source(pattern: str) -> str:
    """A regular expression for one glob."""
    out: list[str] = []
    i = 0
    while i < len(pattern):
        if pattern.startswith("**/", i) and (i == 0 or pattern[i - 1] == "/"):
            out.append("(?:.*/)?")
            i += 3
        elif pattern[i:] == "**" and i > 0 and pattern[i - 1] == "/":
            out.append(".+")
            i += 2
        elif pattern[i] == "*":
            out.append("[^/]*")
            i += 1
        elif pattern[i] == "?":
            out.append("[^/]")
            i += 1
        elif pattern[i] == "[" and (end := _class_end(pattern, i)) > 0:
            inside = pattern[i + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            negated = inside[:1] in ("!", "^")
            out.append(f"(?!/)[{'^' if negated else ''}{inside[1:] if negated else inside}]")
            i = end + 1
        else:
            if pattern[i] == "\\" and i + 1 < len(pattern):
                i += 1
            out.append(re.escape(pattern[i]))
            i += 1
    return "".join(out)


def _class_end(pattern: str, start: int) -> int:
    """Where the bracket that opens at `start` closes; -1 when it does not."""
    first = start + 2 if pattern[start + 1 : start + 2] in ("!", "^") else start + 1
    return pattern.find("]", first + 1)
