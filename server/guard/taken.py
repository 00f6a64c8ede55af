"""Which parts of a text are reported already, so that a span is reported once."""

from __future__ import annotations

from bisect import bisect_left, insort


class Taken:
    """Spans that do not overlap."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> None:
        """Takes [start, end), which must be free."""
        insort(self._spans, (start, end))

    def overlaps(self, start: int, end: int) -> bool:
        """Whether a part of [start, end) is taken."""
        after = bisect_left(self._spans, (end, end))
        return after > 0 and self._spans[after - 1][1] > start
