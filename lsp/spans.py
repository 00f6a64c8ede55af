"""Places in a text that is being edited."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """`[start, end)` of the old text became `text`; common ends are already cut off."""

    start: int
    end: int
    text: str

    @property
    def growth(self) -> int:
        return len(self.text) - (self.end - self.start)

    @property
    def is_insertion(self) -> bool:
        return self.start == self.end


@dataclass(frozen=True)
class Span:
    """`[start, end)` of a text, in characters."""

    start: int
    end: int

    def after(self, edit: Edit) -> Span | None:
        """Where the span is after `edit`; None if the edit touched its text."""
        if edit.end <= self.start:
            return Span(self.start + edit.growth, self.end + edit.growth)
        if edit.start >= self.end:
            return self
        return None

    def overlaps(self, start: int, end: int) -> bool:
        """Whether it shares a character with `[start, end)`, or touches an empty place."""
        if start == end:
            return self.start <= start <= self.end
        return self.start < end and start < self.end


def smallest_edit(start: int, old: str, new: str) -> Edit:
    """The edit that turns `old`, standing at `start`, into `new`, without what they share."""
    shortest = min(len(old), len(new))
    head = 0
    while head < shortest and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return Edit(start + head, start + len(old) - tail, new[head : len(new) - tail])
