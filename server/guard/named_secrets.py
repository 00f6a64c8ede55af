"""The values on a line that are secrets because of the name they are given to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from server.guard.named_values import Line, NamedValue, name_around
from server.guard.secret_names import Strength, strength
from server.guard.secret_values import could_be_secret, is_random, is_strange
from server.guard.text_lines import TextLines

_LOGS_IN = re.compile(
    r"(?i)(?:basic|digest)_?auth\w{0,20}$|^(?:http)?auth(?:entication)?$|^(?:log|sign)_?in\w{0,10}$"
    r"|^authenticate$|credentials?$"
)


class NamedSecrets:
    """Follows the secret-sounding words of a text, from its beginning to its end."""

    def __init__(self, text: str, pieces: TextLines) -> None:
        self._text = text
        self._pieces = pieces
        self._seen_to = -1
        self.unsettled: list[int] = []
        """Offsets of lines with a name that says secret and no value found to be one."""

    def around(self, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """The short name and the span of each secret given to the name around this word."""
        if end <= self._seen_to:
            return
        start, end = name_around(self._text, start, end)
        self._seen_to = end
        name = self._text[start:end]
        short = name.rstrip(".-_").rsplit(".", 1)[-1]
        sure, logs_in = strength(name), _LOGS_IN.search(short) is not None
        if sure is Strength.NONE and not logs_in:
            return
        piece = self._pieces.at(start)
        at, is_settled = piece.offset, False
        for value_start, value_end in _found(piece.line, start - at, end - at, sure, logs_in):
            is_settled = True
            yield short, at + value_start, at + value_end
        if not is_settled and sure >= Strength.TOKEN and at not in self.unsettled[-1:]:
            self.unsettled.append(at)


def _found(
    line: Line, start: int, end: int, sure: Strength, logs_in: bool
) -> Iterator[tuple[int, int]]:
    if sure is not Strength.NONE:
        for value in line.values(start, end):
            if _is_secret(line.text[value.start : value.end], value, sure):
                yield value.start, value.end
    if logs_in:
        second = line.pair_behind(end)
        if second is not None:
            text = line.text[second.start : second.end]
            if could_be_secret(text, Strength.PASSWORD):
                yield second.start, second.end


def _is_secret(text: str, value: NamedValue, sure: Strength) -> bool:
    if text.lower() in value.name.lower().replace("-", "_") or not could_be_secret(text, sure):
        return False
    if value.how == "compared":
        return sure >= Strength.TOKEN and len(text) >= 6 and is_strange(text)
    if value.how in ("listed", "passed"):
        return is_random(text) if sure is Strength.TOKEN else is_strange(text) or len(text) >= 8
    return True
