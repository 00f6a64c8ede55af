"""Makes a flagged suggestion clean: replace, decode again, cut. Every result is checked again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from server.guard.finding import Finding, Redecode

Step = Literal["replaced", "decoded", "cut"]
Check = Callable[[str], Sequence[Finding]]
LEAST_USEFUL_CHARS = 4


@dataclass(frozen=True)
class Repair:
    """A text in which nothing is left that must not be shown."""

    text: str
    step: Step
    left: tuple[Finding, ...]
    """Findings in `text` that are only warned about."""


@dataclass(frozen=True)
class Limits:
    """How much a repair may cost."""

    tries: int
    milliseconds: float


def repair(
    text: str,
    findings: Sequence[Finding],
    *,
    must_go: Callable[[Finding], bool],
    check: Check,
    is_sound: Callable[[str], bool],
    again: Redecode | None,
    limits: Limits,
) -> Repair | None:
    """The first of a replacement, a cut and a new decode that leaves nothing that must go.

    A new decode has to be sound as well: not to break what the original left whole. None if there
    is nothing of the kind within the limits.
    """
    ways = _Ways(text, again, is_sound, limits)
    found, step = list(findings), "replaced"
    while True:
        wrong = [one for one in found if must_go(one)]
        replaced = spliced(text, wrong)
        if replaced is not None:
            left = check(replaced)
            if not any(map(must_go, left)):
                return Repair(replaced, step, tuple(left))
        kept = _cut(replaced or text, must_go, check)
        if kept is not None:
            return kept
        hopeless = [one for one in wrong if one.replacement is None] or wrong
        other = ways.next(text, min(one.start for one in hopeless))
        if other is None:
            return None
        text, step, found = other, "decoded", list(check(other))
        if not any(map(must_go, found)):
            return Repair(text, step, tuple(found))


class _Ways:
    """The other ways on that the engine knows, as many and for as long as the limits allow."""

    def __init__(
        self, text: str, again: Redecode | None, is_sound: Callable[[str], bool], limits: Limits
    ) -> None:
        self._again = again
        self._is_sound = is_sound
        self._left = limits.tries
        self._deadline = time.monotonic() + limits.milliseconds / 1000
        self._seen = {text}

    def next(self, text: str, offset: int) -> str | None:
        """The next that is new, says something and breaks nothing; None if there is none."""
        while self._again and self._left > 0 and time.monotonic() < self._deadline:
            self._left -= 1
            other = self._again(text, offset, self._deadline)
            if other is None or other in self._seen:
                return None
            self._seen.add(other)
            if is_useful(other) and self._is_sound(other):
                return other
            text = other
        return None


def spliced(text: str, findings: Sequence[Finding]) -> str | None:
    """`text` with every known replacement in place; None where there is none."""
    end, parts = len(text), list[str]()
    replaced = [one for one in findings if one.replacement is not None]
    for one in sorted(replaced, key=lambda one: one.start, reverse=True):
        if one.end <= end:  # of two that overlap the later one wins
            parts[:0] = [one.replacement or "", text[one.end : end]]
            end = one.start
    return text[:end] + "".join(parts) if replaced else None


def is_useful(text: str) -> bool:
    """Whether a suggestion says enough to be shown."""
    return sum(character.isalnum() for character in text) >= LEAST_USEFUL_CHARS


def _cut(text: str, must_go: Callable[[Finding], bool], check: Check) -> Repair | None:
    """The whole lines before the first finding that must go."""
    wrong = [one.start for one in check(text) if must_go(one)]
    kept = text[: text.rfind("\n", 0, min(wrong, default=len(text))) + 1].rstrip()
    while any(kept.count(opened) > kept.count(closed) for opened, closed in ("()", "[]")):
        kept = kept[: kept.rfind("\n") + 1].rstrip()
    if not is_useful(kept):
        return None
    left = check(kept)
    return None if any(map(must_go, left)) else Repair(kept, "cut", tuple(left))
