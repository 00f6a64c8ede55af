"""A limit on the processor time that one check of a suggestion may take."""

from __future__ import annotations

import time

from server.guard.errors import OutOfTime


class Deadline:
    """Raises OutOfTime once the thread has worked for `budget_ms` since it was made."""

    def __init__(self, what: str, budget_ms: float) -> None:
        self._what = what
        self._end = time.thread_time() + budget_ms / 1000

    def keep(self) -> None:
        """Raise if the time is over."""
        if time.thread_time() > self._end:
            raise OutOfTime(f"{self._what} ran out of time: the suggestion is too long or too odd")
