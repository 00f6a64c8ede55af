"""Things to be planted evenly over a pack: copies of canaries, chunks around a habit."""

import random
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

Thing = TypeVar("Thing")


class Due(Generic[Thing]):
    """A list that is given out in step with the pack's progress."""

    def __init__(self, planned: Sequence[Thing]) -> None:
        self._planned = planned
        self._given = 0

    def up_to(self, share: float, most: int | None = None) -> Sequence[Thing]:
        """What is due once `share` of the pack is filled and was not given yet, at most `most`."""
        end = round(len(self._planned) * min(1.0, share))
        if most is not None:
            end = min(end, self._given + most)
        batch = self._planned[self._given : end]
        self._given = max(self._given, end)
        return batch


def copies(canaries: list[dict[str, Any]], scale: float, rng: random.Random) -> list[int]:
    """The index of a canary for each of its copies, those of each evenly spread.

    Each is planted `scale` times as often as its `exposures` say.
    """
    placed: list[tuple[float, int]] = []
    for index, canary in enumerate(canaries):
        count = round(canary["exposures"] * scale)
        placed += [((copy + rng.random()) / count, index) for copy in range(count)]
    return [index for _, index in sorted(placed)]
