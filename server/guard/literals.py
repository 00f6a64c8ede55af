"""Quoted literals on a line of code, and the name that each is given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LITERAL = re.compile(
    r"""(?P<quote>["'`])(?P<value>(?:(?!(?P=quote))[^\\\n]|\\.){0,4000})(?P<close>(?P=quote)|$)"""
)
_NAME_BEFORE = re.compile(
    r"""(?P<name>[A-Za-z_$][\w$.-]{0,80})(?:\[\d{0,9}\])?["'`\]]{0,2}[ \t]{0,40}
    (?::[ \t]{0,4}[\w.\[\]| ]{1,40})?
    (?P<sign>=>|:=|===?|!==?|[=:(,])[ \t]{0,40}[rRbBuUfF@$]{0,2}$""",
    re.VERBOSE,
)
_BARE = re.compile(
    r"(?m)^[ \t]*(?:export[ \t]+|- )?[\"']?(?P<name>[A-Za-z_][\w.-]{0,80})[\"']?[ \t]*[=:][ \t]*"
    r"(?P<value>[^\s\"'#][^\s#\"']{5,500})[ \t]*(?:#.*)?$"
)


@dataclass(frozen=True)
class Literal:
    """A quoted literal (or the bare value of a settings file) in a line."""

    name: str
    """What is left of it: the variable, key, keyword or called function; '' where there is none."""
    sign: str
    """What stands between name and value: `=`, `:`, `(`, ..."""
    start: int
    end: int
    """The value without its quotes."""
    quoted_start: int
    quoted_end: int
    """The value with quotes and letters before them; equal to start and end for a bare value."""
    is_closed: bool


def quoted_literals(line: str) -> Iterator[Literal]:
    """The quoted literals of one line, in order."""
    for match in _LITERAL.finditer(line):
        start = match.start()
        before = _NAME_BEFORE.search(line[max(0, start - 160) : start])
        prefix_letters = 0
        while prefix_letters < min(2, start) and line[start - 1 - prefix_letters] in "rRbBuUfF":
            prefix_letters += 1
        if start > prefix_letters and (line[start - 1 - prefix_letters]).isalnum():
            prefix_letters = 0
        yield Literal(
            before["name"] if before else "",
            before["sign"] if before else "",
            match.start("value"),
            match.end("value"),
            start - prefix_letters,
            match.end(),
            bool(match["close"]),
        )


def bare_values(line: str) -> Iterator[Literal]:
    """The unquoted value of a line in a settings file: `API_KEY=value`."""
    for match in _BARE.finditer(line):
        start, end = match.span("value")
        yield Literal(match["name"], "=", start, end, start, end, True)
