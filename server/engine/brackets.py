"""Brackets and quotes around a cursor, without knowing the language."""

from __future__ import annotations

import re

CLOSER = {"(": ")", "[": "]", "{": "}"}
CLOSERS = frozenset(CLOSER.values())
# Whole strings and comments are skipped. `//` counts as a comment at a line's start only:
# elsewhere it divides in Python; `#` only before a space: `#name` is a field in JavaScript.
SKIPPED = (
    r'"(?:\\.|[^"\\\n])*"',
    r"'(?:\\.|[^'\\\n])*'",
    r"`(?:\\.|[^`\\\n])*`",
    r"(?<!\S)#[ !][^\n]*",
    r"^[ \t]*//[^\n]*",
)
PARTS = re.compile("|".join([*SKIPPED, r"[()\[\]{}]"]), re.M)
STRINGS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?<!\S)#[ !].*|[\"']")
# Far brackets matter little and cost time on each keystroke.
REACH_CHARS = 4000


def open_brackets(text: str) -> int:
    """How many brackets the end of `text` leaves open."""
    depth = 0
    for part in PARTS.finditer(text[-REACH_CHARS:]):
        if part[0] in CLOSER:
            depth += 1
        elif part[0] in CLOSERS:
            depth = max(0, depth - 1)
    return depth


def closed_brackets(text: str) -> int:
    """How many brackets opened before it the beginning of `text` closes."""
    depth = closed = 0
    for part in PARTS.finditer(text[:REACH_CHARS]):
        if part[0] in CLOSER:
            depth += 1
        elif part[0] in CLOSERS:
            if depth == 0:
                closed += 1
            depth = max(0, depth - 1)
    return closed


def surplus_closer(text: str, allowed: int, quote: str | None = None) -> int | None:
    """Where `text` closes more brackets opened before it than `allowed`.

    `quote`: the cursor stands in a string that this quote ends.
    """
    depth = 0
    for part in PARTS.finditer(text, _string_end(text, quote)):
        if part[0] in CLOSER:
            depth += 1
        elif part[0] in CLOSERS:
            if depth > 0:
                depth -= 1
            elif allowed > 0:
                allowed -= 1
            else:
                return part.start()
    return None


def open_quote(line: str) -> str | None:
    """The quote that `line`, the text before the cursor on its line, leaves open."""
    return next((part for part in STRINGS.findall(line) if part in ("'", '"')), None)


def closing_quote(text: str, quote: str) -> int | None:
    """Where the string that `quote` opened before `text` ends."""
    found = re.search(rf"(?<!\\)(?:\\\\)*{quote}", text)
    return None if found is None else found.end() - 1


def _string_end(text: str, quote: str | None) -> int:
    if quote is None:
        return 0
    end = closing_quote(text, quote)
    return len(text) if end is None else end + 1
