"""Insecure patterns of languages without a checker of their own: a table of regular expressions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from server.guard.finding import Case, Finding, Severity
from server.guard.languages import Family, family
from server.guard.stitched import surrounded

BEFORE_CHARS = 400
AFTER_CHARS = 200
_COMMENT = re.compile(r"(?m)^[ \t]*(?://|\*|#)")


@dataclass(frozen=True)
class Pattern:
    """One row of `patterns_web.toml` or `patterns_native.toml`."""

    rule: str
    families: tuple[Family, ...]
    cwe: str
    pattern: re.Pattern[str]
    message: str
    replacement: str | None
    bad: str
    """Code in which it must be found."""
    good: str
    """Code in which it must not be found."""


@dataclass(frozen=True)
class Meaning:
    """What one of ruff's rules means to the guard."""

    cwe: str | None
    severity: Severity
    advice: str | None
    """What to do, as a clause."""
    is_hint: bool
    """Not reported."""


def pattern_findings(case: Case) -> Iterator[Finding]:
    """Every pattern of the case's language that the suggestion completes."""
    middle = surrounded(case, BEFORE_CHARS, AFTER_CHARS)
    for pattern in _by_family().get(family(case.language), ()):
        for match in pattern.pattern.finditer(middle.text):
            whole = middle.span(*match.span())
            span = middle.span(*match.span(match.lastindex or 0))
            if whole is None or _COMMENT.match(_line(middle.text, match.start())):
                continue
            is_whole = span is not None and span[1] - span[0] == len(match[match.lastindex or 0])
            start, end = span or whole
            replacement = pattern.replacement if is_whole else None
            yield Finding(
                "insecure", pattern.rule, pattern.cwe, start, end, pattern.message, replacement
            )


@cache
def patterns() -> tuple[Pattern, ...]:
    """The table, compiled."""
    return tuple(
        Pattern(
            rule,
            tuple(row["families"]),
            row["cwe"],
            re.compile(row["pattern"]),
            row["message"],
            row.get("replacement"),
            row["bad"],
            row["good"],
        )
        for rule, row in (_table("patterns_web.toml") | _table("patterns_native.toml")).items()
    )


def meaning(code: str) -> Meaning:
    """What ruff's rule `code` means."""
    row = _table("ruff_rules.toml").get(code, {})
    severity, is_hint = row.get("severity", "medium"), row.get("hint", False)
    return Meaning(row.get("cwe"), severity, row.get("advice"), is_hint)


@cache
def hint_codes() -> tuple[str, ...]:
    """The rules that are never reported."""
    return tuple(code for code, row in _table("ruff_rules.toml").items() if row.get("hint"))


def _line(text: str, offset: int) -> str:
    return text[text.rfind("\n", 0, offset) + 1 : offset + 1]


@cache
def _by_family() -> dict[Family, list[Pattern]]:
    found: dict[Family, list[Pattern]] = {}
    for pattern in patterns():
        for name in pattern.families:
            found.setdefault(name, []).append(pattern)
    return found


@cache
def _table(name: str) -> dict[str, dict[str, Any]]:
    text = files("server.guard").joinpath(name).read_text(encoding="utf-8")
    return tomllib.loads(text)
