"""Insecure patterns of languages without a checker of their own: regexes and syntax rules.

One pass over the suggestion for the words that the rules are about decides what is looked at.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Protocol, cast

import ahocorasick  # pyright: ignore[reportMissingTypeStubs]

from server.guard.finding import Case, Finding, Severity
from server.guard.languages import Family, family
from server.guard.syntax_rules import syntax_findings
from server.guard.syntax_table import SyntaxRule, syntax_rules
from server.guard.syntax_window import Window, is_whole, windows

WORD_CHARS = 60
"""A name or a call that the user began so far before the cursor is seen."""
BEFORE_CHARS = 300
AFTER_CHARS = 500
"""How far around a word a regex looks."""
MOST_HITS = 200
"""Words looked at in a piece of a suggestion: more of them are hostile."""
_COMMENT = re.compile(r"^[ \t]*(?:\*(?=\s|/|$)|#(?!\[|!|\s*define))|(?:^|[\s;{}])//")


@dataclass(frozen=True)
class Pattern:
    """One row of `patterns_web.toml` or `patterns_native.toml`."""

    rule: str
    families: tuple[Family, ...]
    cwe: str
    words: tuple[str, ...]
    """One of them stands in every match."""
    pattern: re.Pattern[str]
    message: str
    severity: Severity
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


@dataclass
class _Word:
    """What a word in a suggestion makes worth a look."""

    text: str
    patterns: list[Pattern] = field(default_factory=list[Pattern])
    rules: list[SyntaxRule] = field(default_factory=list[SyntaxRule])


class _Words(Protocol):
    """The part of an Aho-Corasick automaton that is used here."""

    def add_word(self, key: str, value: _Word) -> bool: ...

    def make_automaton(self) -> None: ...

    def iter(self, string: str, start: int, end: int) -> Iterator[tuple[int, _Word]]: ...


def pattern_findings(case: Case) -> Iterator[Finding]:
    """Every pattern of the case's language that the suggestion completes."""
    words = _words(family(case.language))
    if words is None:
        return
    reported: set[tuple[str | None, int]] = set()
    for window in windows(case):
        for finding in _window_findings(window, words):
            if (finding.cwe, finding.start) not in reported:
                reported.add((finding.cwe, finding.start))
                yield finding


@cache
def patterns() -> tuple[Pattern, ...]:
    """The table, compiled."""
    return tuple(
        Pattern(
            rule,
            tuple(row["families"]),
            row["cwe"],
            tuple(row["words"]),
            re.compile(row["pattern"]),
            row["message"],
            row.get("severity", "medium"),
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


def _window_findings(window: Window, words: _Words) -> Iterator[Finding]:
    first = max(0, window.start - WORD_CHARS)
    last = min(len(window.text), window.end + WORD_CHARS)
    for final, word in islice(words.iter(window.text, first, last), MOST_HITS):
        end, start = final + 1, final + 1 - len(word.text)
        is_name = word.rules and is_whole(window.text, start, end)
        if not (is_name or word.patterns) or _COMMENT.search(window.line(start)[-200:]):
            continue
        for pattern in word.patterns:
            yield from _matches(window, pattern, start)
        if is_name:
            yield from syntax_findings(window, word.rules, start, end)


def _matches(window: Window, pattern: Pattern, start: int) -> Iterator[Finding]:
    """What `pattern` finds around a word at `start`."""
    low = max(start - BEFORE_CHARS, window.text.rfind("\n", 0, start) + 1)
    for match in pattern.pattern.finditer(window.text, low, start + AFTER_CHARS):
        group = match.lastindex or 0
        from_, to = max(match.start(group), window.start), min(match.end(group), window.end)
        if match.start() > start or from_ >= to:
            continue
        is_whole = to - from_ == len(match[group])
        yield Finding(
            "insecure",
            pattern.rule,
            pattern.cwe,
            from_ - window.start + window.offset,
            to - window.start + window.offset,
            pattern.message,
            pattern.replacement if is_whole else None,
            pattern.severity,
        )


@cache
def _words(family: Family) -> _Words | None:
    """The words of all rules of a family; None if it has none."""
    found: dict[str, _Word] = {}
    for pattern in patterns():
        for text in pattern.words if family in pattern.families else ():
            found.setdefault(text, _Word(text)).patterns.append(pattern)
    for rule in syntax_rules():
        for text in rule.names if rule.family == family else ():
            found.setdefault(text, _Word(text)).rules.append(rule)
    automaton = cast(_Words, ahocorasick.Automaton())  # pyright: ignore
    for text, word in found.items():
        automaton.add_word(text, word)
    automaton.make_automaton()
    return automaton if found else None


@cache
def _table(name: str) -> dict[str, dict[str, Any]]:
    text = files("server.guard").joinpath(name).read_text(encoding="utf-8")
    return tomllib.loads(text)
