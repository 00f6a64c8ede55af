"""The lines of a text, looked up by offset, tokenised once, and cut where they are very long."""

from __future__ import annotations

from dataclasses import dataclass

from server.guard.literals import quoted_literals
from server.guard.named_values import Line

MOST_LINE_CHARS = 2000
"""Longer lines are looked at in pieces: some patterns take quadratic time."""
OVERLAP_CHARS = 200


@dataclass(frozen=True, slots=True)
class Piece:
    """A line, or a piece of a long one, that begins at `offset` in the text."""

    offset: int
    line: Line


class TextLines:
    """Gives the piece around an offset."""

    def __init__(self, text: str, *, is_settings: bool) -> None:
        self._text = text
        self._is_settings = is_settings
        self._pieces: dict[int, Piece] = {}

    def at(self, offset: int) -> Piece:
        """The piece in which the character at `offset` stands."""
        least = max(0, offset - MOST_LINE_CHARS)
        start = self._text.rfind("\n", least, offset) + 1
        if start == 0 and least > 0:
            step = MOST_LINE_CHARS - OVERLAP_CHARS
            start = offset // step * step
        piece = self._pieces.get(start)
        if piece is None:
            end = self._text.find("\n", start, start + MOST_LINE_CHARS)
            text = self._text[start : start + MOST_LINE_CHARS if end < 0 else end]
            line = Line(text, quoted_literals(text), is_settings=self._is_settings)
            piece = self._pieces[start] = Piece(start, line)
        return piece
