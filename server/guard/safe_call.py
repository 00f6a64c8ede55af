"""Where exactly an insecure call goes wrong, and what to write there instead."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The span to blame in a text, and its replacement where one is obvious."""

    start: int
    end: int
    replacement: str | None = None


# Code, what to look for in the flagged span, and what replaces its group 1.
_EDITS: tuple[tuple[str, re.Pattern[str], str | None], ...] = (
    ("S201", re.compile(r"\b(debug\s*=\s*True)\b"), "debug=False"),
    ("S202", re.compile(r"\b(extractall|unpack_archive)\b"), None),
    ("S701", re.compile(r"\b(autoescape\s*=\s*False)\b"), "autoescape=True"),
)
_CALLEE = re.compile(r"[A-Za-z_][\w.]*(?=\s*\()")
_NAMED = frozenset({"S308", "S312", "S321", "S503", "S505", "S610", "S611", "S612", "S702"})


def narrowed(code: str, text: str, start: int, end: int) -> Place:
    """The part of [start, end) to blame for `code`: an argument, a name, else the call."""
    if code in ("S201", "S701"):
        end = max(end, _call_end(text, start))
    span = text[start:end]
    for rule, pattern, replacement in _EDITS:
        match = pattern.search(span) if rule == code else None
        if match is not None:
            return Place(start + match.start(1), start + match.end(1), replacement)
    if code in _NAMED and (callee := _CALLEE.match(span)) is not None:
        return Place(start, start + callee.end())
    return Place(start, end)


def _call_end(text: str, start: int) -> int:
    """Behind the bracket that closes the first call at `start`, within 2,000 characters."""
    depth = 0
    for offset in range(start, min(len(text), start + 2000)):
        if text[offset] == "(":
            depth += 1
        elif text[offset] == ")":
            depth -= 1
            if depth == 0:
                return offset + 1
    return start
