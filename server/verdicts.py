"""What became of suggestions that were looked at again after they had been answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Literal

from server.completion_wire import Flagged

State = Literal["clear", "warned", "taken_back", "unchecked"]

REPLAYED_S = 60.0
"""A listener that comes late gets what was said since."""
MOST_KEPT = 500


@dataclass(frozen=True)
class Verdict:
    """What the background made of one suggestion."""

    suggestion: str
    state: State
    """`unchecked`: newer ones came, nobody took it, and nobody looked."""
    reason: str | None = None
    findings: tuple[Flagged, ...] = ()
    """Offsets are in the text that was answered."""
    at: float = field(default_factory=time.monotonic)

    def as_json(self) -> dict[str, object]:
        return {
            "suggestion": self.suggestion,
            "state": self.state,
            "reason": self.reason,
            "findings": [{"id": one.id, **asdict(one.finding)} for one in self.findings],
        }


class Verdicts:
    """The latest verdicts, for any number of listeners on the event loop."""

    def __init__(self) -> None:
        self.counts: Counter[State] = Counter()
        self._kept: deque[tuple[int, Verdict]] = deque(maxlen=MOST_KEPT)
        self._number = 0
        self._news = asyncio.Event()

    def add(self, verdict: Verdict) -> None:
        self._number += 1
        self.counts[verdict.state] += 1
        self._kept.append((self._number, verdict))
        self.wake()

    def wake(self) -> None:
        """End every `after` that waits."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def after(self, number: int, most_s: float) -> tuple[int, list[Verdict]]:
        """Those later than `number` (0: of the last minute) and the number to ask with next.

        Waits for one, but no longer than `most_s` seconds.
        """
        if number == self._number:
            try:
                async with asyncio.timeout(most_s):
                    await self._news.wait()
            except TimeoutError:
                pass
        oldest = time.monotonic() - REPLAYED_S
        fresh = [one for at, one in self._kept if at > number and one.at >= oldest]
        return self._number, fresh
