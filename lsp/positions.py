"""Character offsets to editor positions and back, in whatever code units the editor counts.

Lines end where the protocol says (\\n, \\r\\n, \\r) and nowhere else: a form feed or a
U+2028 inside a file is text. pygls splits there, and clamps wrongly behind a line's end, so
only its counting of code units is used here.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol import types
from pygls.workspace import PositionCodec

_LINE_END = re.compile(r"\r\n|\n|\r")


class Lines:
    """A text cut into lines."""

    def __init__(self, text: str, codec: PositionCodec) -> None:
        self._text = text
        self._codec = codec
        ends = list(_LINE_END.finditer(text))
        self._starts = [0, *(end.end() for end in ends)]
        self._stops = [*(end.start() for end in ends), len(text)]

    def offset(self, position: types.Position) -> int:
        """The offset of `position`; behind the line's or the text's end is that end."""
        line = max(position.line, 0)
        if line >= len(self._starts):
            return len(self._text)
        start, stop = self._starts[line], self._stops[line]
        content = self._text[start:stop]
        wanted = max(position.character, 0)
        if content.isascii():
            return start + min(wanted, len(content))
        units = 0
        for i, char in enumerate(content):
            units += self._units(char)
            if units > wanted:  # a position inside a character is before it
                return start + i
        return stop

    def position(self, offset: int) -> types.Position:
        """The position of `offset`."""
        line = bisect_right(self._starts, offset) - 1
        before = self._text[self._starts[line] : offset]
        return types.Position(line=line, character=self._units(before))

    def span(self, place: types.Range) -> tuple[int, int]:
        """Start and end offsets of a range, in order."""
        start, end = self.offset(place.start), self.offset(place.end)
        return min(start, end), max(start, end)

    def range(self, start: int, end: int) -> types.Range:
        return types.Range(start=self.position(start), end=self.position(end))

    def _units(self, text: str) -> int:
        if text.isascii():
            return len(text)
        return int(self._codec.client_num_units(text))
