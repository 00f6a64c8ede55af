"""The suggestion in the middle of the text around it, with offsets in both."""

from __future__ import annotations

from dataclasses import dataclass

from server.guard.finding import Case

MOST_LINE_CHARS = 500
"""How much of the line before and after the cursor is looked at."""


@dataclass(frozen=True)
class Stitched:
    """Some text in which the suggestion stands at [start, end)."""

    text: str
    start: int
    end: int

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """A span of `text` as offsets in the suggestion, cut to it; None if nothing is left."""
        start, end = max(start, self.start), min(end, self.end)
        return (start - self.start, end - self.start) if start < end else None


def touched_lines(case: Case) -> Stitched:
    """The suggestion with the parts of its first and last line that the user wrote."""
    before = case.prefix[-MOST_LINE_CHARS:]
    before = before[before.rfind("\n") + 1 :]
    after = case.suffix[:MOST_LINE_CHARS].split("\n", 1)[0]
    return Stitched(before + case.suggestion + after, len(before), len(before + case.suggestion))


def surrounded(case: Case, before_chars: int, after_chars: int) -> Stitched:
    """The suggestion with so many characters of its surroundings."""
    before = case.prefix[-before_chars:] if before_chars else ""
    text = before + case.suggestion + case.suffix[:after_chars]
    return Stitched(text, len(before), len(before) + len(case.suggestion))
