"""How many threads the next step should use on a machine that others use too.

Two threads wait for each other at every operation: where a neighbour holds one of two cores, both
run at the speed of the slower, and one thread alone is faster.
"""

import torch

FIRST_RETRY_STEPS = 12
LAST_RETRY_STEPS = 400
KEEP = 0.6


class Threads:
    """Keeps the pace of one and of two threads, and tries the slower ever more seldom."""

    def __init__(self, most: int | None = None) -> None:
        most = most or min(2, torch.get_num_threads())
        self._pace = dict.fromkeys(range(1, most + 1), 0.0)
        self._wait = FIRST_RETRY_STEPS
        self._steps = 0
        self.count = most

    def choose(self) -> None:
        """Set torch's number of threads for the step that follows."""
        self._steps += 1
        best = self._best()
        others = [count for count in self._pace if count != best]
        untried = [count for count in others if self._pace[count] == 0.0]
        if untried:
            best = untried[-1]
        elif others and self._steps >= self._wait:
            best, self._steps = others[0], 0
            self._wait = min(2 * self._wait, LAST_RETRY_STEPS)
        self.count = best
        torch.set_num_threads(best)

    def note(self, seconds: float) -> None:
        """Remember how long that step took."""
        was_best = self._best()
        pace = 1 / seconds
        before = self._pace[self.count]
        self._pace[self.count] = pace if before == 0.0 else KEEP * before + (1 - KEEP) * pace
        if self._best() != was_best:
            self._wait = FIRST_RETRY_STEPS

    def _best(self) -> int:
        return max(self._pace, key=lambda count: self._pace[count])
