"""Progress of a refresh on standard error: one bar per phase."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import NoReturn

from tqdm import tqdm


class PhaseBars:
    """A bar for the phase at hand; on a terminal it moves, elsewhere each phase is one line."""

    def __init__(self) -> None:
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
                print(f"{phase:<8} {message}", file=sys.stderr, flush=True)
        if self._bar is not None:
            self._bar.total = total or None
            self._bar.n = done
            self._bar.set_postfix_str(message, refresh=True)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
