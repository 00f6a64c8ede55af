"""Progress of a refresh on standard error: one bar per phase."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import NoReturn

from tqdm import tqdm

EVERY = 20.0
"""Seconds between two lines of one phase, where there is no terminal."""
STARVED = 0.25
"""With less than this share of one core, the line says why so little happens."""


class PhaseBars:
    """A bar for the phase at hand; on a terminal it moves, elsewhere a line says now and then how
    far it is."""

    def __init__(self) -> None:
        self._said, self._spent = time.monotonic(), time.process_time()
        self._bar: tqdm[NoReturn] | None = None
        self._phase: str | None = None

    def __enter__(self) -> PhaseBars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()

    def show(self, phase: str, done: int, total: int, message: str) -> None:
        if phase != self._phase:
            self._end()
            self._phase = phase
            if sys.stderr.isatty():
                self._bar = tqdm(
                    desc=f"{phase:<8}", total=total or None, leave=True, dynamic_ncols=True
                )
            else:
                self._say(f"{phase:<8} {message}")
        elif self._bar is None and time.monotonic() - self._said >= EVERY:
            self._say(f"{phase:<8} {done} of {total or '?'}, {message}")
        if self._bar is not None:
            self._bar.total = total or None
            self._bar.n = done
            self._bar.set_postfix_str(message, refresh=True)

    def _say(self, line: str) -> None:
        now, spent = time.monotonic(), time.process_time()
        share = (spent - self._spent) / max(now - self._said, 1e-9)
        if now - self._said >= EVERY and share < STARVED:
            line += f" (other programs come first: {share:.0%} of a core since the last line)"
        print(line, file=sys.stderr, flush=True)
        self._said, self._spent = now, spent

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
