"""The values that a line of any language gives a name: `x = "v"`, `f("v")`, `--x v`, `<x>v</x>`.

A name is found by a word in it (`pass`, `token`, ...) and read to its end; what follows says how
the value stands there. Looking forward from few names keeps this linear and quick.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import Literal as OneOf

from server.guard.literals import Literal

How = OneOf["assigned", "compared", "passed", "listed", "inside"]
"""`passed`: to a call of the name; `listed`: behind the quoted name; `inside`: within a literal."""

MOST_NAME_CHARS = 80
_NAME_CHARS = frozenset(ascii_letters + digits + "_$.-")
_NAME_END = re.compile(r"[A-Za-z0-9_$.\-]{0,80}+")
_TO_LITERAL = re.compile(
    r"""(?:\[\w{0,20}\])?(?P<quote>["'`]?)[\])]{0,2}[ \t]{0,40}
    (?::[ \t]{0,4}[\w.\[\]|<> ]{1,40}(?==(?!=)))?
    (?:string[ \t]{1,4}(?==))?
    (?P<sign>=>|:=|===?|!==?|\|\||\?\?|or\b|=|:|,|\(|value=|[ \t](?=[ \t]*["']))
    [ \t]{0,40}[\[({]?[rRbBuUfF@$]{0,2}""",
    re.VERBOSE,
)
_BARE = re.compile(
    r"""\\?["']?(?:[ \t]{0,4}(?:=>|:=|[=:])[ \t]{0,4}|>|[ \t]{1,4}(?=['"]))\\?(?P<quote>["']?)
    (?P<value>[^\s"'`\\&;,<>(){}\[\]]{4,512})""",
    re.VERBOSE,
)
_NAME_BEFORE = re.compile(
    r"""(?P<name>[A-Za-z_$][\w$.-]{0,80})["'`\]]{0,2}[ \t]{0,8}(?:=>|:=|[=:(,])[ \t]{0,8}$"""
)
_FLAG_VALUE = re.compile(r"(?:=|[ \t]{1,4})(?P<value>[^\s\"'`\\]{4,512})")
_COMMA = re.compile(r"[ \t]{0,4},[ \t]{0,4}")
_COMMENT = re.compile(r"[ \t]*(?:#|//|\*|/\*|--|;)")
_GETTER = re.compile(r"(?i)^(?:get|find|lookup|has|is|delete|remove|revoke|new)[A-Z_]|(?:get|env)$")


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A value at [start, end) of the line, and the name that it is given to."""

    name: str
    how: How
    start: int
    end: int
    literal: Literal | None
    """The literal that the value is the whole of."""


def name_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the name around the word at [start, end) begins and ends."""
    least = max(0, start - MOST_NAME_CHARS)
    while start > least and text[start - 1] in _NAME_CHARS:
        start -= 1
    right = _NAME_END.match(text, end)
    return start, right.end() if right else end


class Line:
    """One line with its literals, in which names are looked up."""

    def __init__(self, text: str, literals: Sequence[Literal], *, is_settings: bool) -> None:
        self.text = text
        self._literals = literals
        self._starts = [one.quoted_start for one in literals]
        self._is_text = is_settings or bool(_COMMENT.match(text))

    def values(self, start: int, end: int) -> Iterator[NamedValue]:
        """What the line gives to the name at [start, end)."""
        name, around = self.text[start:end], self.literal_at(start)
        to_literal = _TO_LITERAL.match(self.text, end)
        if to_literal is not None and (
            around is None or end == around.end or around.start == start - 1
        ):
            literal = self._at(to_literal.end())
            if literal is not None:
                yield from self._quoted(name, to_literal, literal, around)
                return
        if around is not None or self._is_text:
            yield from self._bare(name, start, end, around)
        elif self.text[start - 1 : start] == "<" and ">" in self.text[end : end + 1]:
            yield from self._bare(name, start, end, None)

    def _quoted(
        self, name: str, match: re.Match[str], literal: Literal, around: Literal | None
    ) -> Iterator[NamedValue]:
        sign = match["sign"]
        if sign == "," and around is None:
            return
        if sign == "(" and (around is not None or _GETTER.search(name.rsplit(".", 1)[-1])):
            return
        yield NamedValue(name, _how(sign), literal.start, literal.end, literal)
        following = self._following(literal)
        if sign == "(" and following is not None:
            yield NamedValue(name, "passed", following.start, following.end, following)

    def _bare(
        self, name: str, start: int, end: int, around: Literal | None
    ) -> Iterator[NamedValue]:
        is_flag = name.startswith("-")
        found = (_FLAG_VALUE if is_flag else _BARE).match(self.text, end)
        if found is None or (around is not None and found.end("value") > around.end):
            return
        yield NamedValue(name, "inside", *found.span("value"), None)

    def pair_behind(self, end: int) -> Literal | None:
        """The second of two literals passed to the call or assigned to the name ending at `end`."""
        to_literal = _TO_LITERAL.match(self.text, end)
        first = self._at(to_literal.end()) if to_literal else None
        return self._following(first) if first is not None else None

    def name_before(self, offset: int) -> str:
        """The name that the literal around `offset` is given to; '' if there is none."""
        literal = self.literal_at(offset)
        end = literal.quoted_start if literal is not None else offset
        found = _NAME_BEFORE.search(self.text[max(0, end - 160) : end])
        return found["name"] if found else ""

    def _at(self, offset: int) -> Literal | None:
        index = bisect_right(self._starts, offset) - 1
        if index >= 0 and self._starts[index] == offset:
            return self._literals[index]
        return None

    def literal_at(self, offset: int) -> Literal | None:
        index = bisect_right(self._starts, offset) - 1
        if index >= 0 and self._literals[index].start <= offset < self._literals[index].end:
            return self._literals[index]
        return None

    def _following(self, literal: Literal) -> Literal | None:
        """The literal behind a comma after this one."""
        gap = _COMMA.match(self.text, literal.quoted_end)
        return self._at(gap.end()) if gap else None


def _how(sign: str) -> How:
    if sign in ("==", "===", "!=", "!=="):
        return "compared"
    if sign == "(":
        return "passed"
    return "listed" if sign == "," else "assigned"
