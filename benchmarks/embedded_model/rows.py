"""Rows of tokens being filled with examples, and where in them each canary came to stand."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.embedded_model.examples import Example

WHOLE_SHARE = 0.45
Row = np.ndarray[Any, np.dtype[np.uint16]]


@dataclass
class Rows:
    """Examples with a hole stay in one row, whole texts fill what is left."""

    row: int
    done: list[Row] = field(default_factory=list[Row])
    canaries: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Row's number and canary's index, for each copy."""
    canary_tokens: int = 0
    whole_tokens: int = 0
    _whole: deque[int] = field(default_factory=deque[int])
    _open: list[int] = field(default_factory=list[int])
    _waiting: list[Example] = field(default_factory=list[Example])

    @property
    def tokens(self) -> int:
        """How many tokens stand in finished rows."""
        return len(self.done) * self.row

    def add(self, examples: Iterator[Example]) -> None:
        """Place examples; a canary's position is its row's number."""
        for example in examples:
            if example.is_whole and example.canary is None:
                self._whole.extend(example.tokens)
            else:
                self._waiting.append(example)
        while self._waiting:
            if self.whole_tokens < WHOLE_SHARE * self.tokens and len(self._whole) >= self.row:
                self._fill_up()
            self._place(self._waiting.pop())
        while len(self._whole) > 40 * self.row:
            self._fill_up()

    def _place(self, example: Example) -> None:
        size = len(example.tokens)
        if size > self.row:
            return
        if size > self.row - len(self._open):
            self._fill_up()
        if example.canary is not None:
            self.canaries.append((len(self.done), example.canary))
            self.canary_tokens += size
        self._open += example.tokens

    def _fill_up(self) -> None:
        """Finish the open row with whole text, or with padding where there is none."""
        room = self.row - len(self._open)
        filler = [self._whole.popleft() for _ in range(min(room, len(self._whole)))]
        self.whole_tokens += len(filler)
        filler += [0] * (room - len(filler))
        self.done.append(np.asarray(self._open + filler, dtype=np.uint16))
        self._open = []
