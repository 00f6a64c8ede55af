"""Quoted literals on a line of code, and the values that a line of settings or of text assigns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LITERAL = re.compile(
    r"""(?P<quote>["]{3}|[']{3}|["'`])(?P<value>(?:(?!(?P=quote))[^\\\n]|\\.){0,4000}+)(?P<close>(?P=quote)|$)"""
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A quoted literal in a line."""

    quoted_start: int
    start: int
    end: int
    """The value without its quotes."""
    quoted_end: int
    """Behind the closing quote; equal to `end` where there is none."""
    is_closed: bool


def quoted_literals(line: str) -> list[Literal]:
    """The quoted literals of one line, in order; an open one reaches to its end."""
    return list(_quoted(line))


def _quoted(line: str) -> Iterator[Literal]:
    for match in _LITERAL.finditer(line):
        start, end = match.span("value")
        yield Literal(match.start(), start, end, match.end(), bool(match["close"]))
