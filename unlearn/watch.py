"""How every lesson stands, without asking the model again what cannot have changed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from unlearn.batch import standings
from unlearn.crew import Crew
from unlearn.lora import Student
from unlearn.roll import Standing
from unlearn.teacher import Lesson

NEAR = 16.0
"""A lesson whose forbidden tokens may still rise this many times is not asked on the way, as an
update moves them by little; once nothing else is left to forget, every lesson is."""


class Watch:
    """What was last seen of each lesson; `crew` shares the looking."""

    def __init__(
        self, student: Student, lessons: Sequence[Lesson], ease: float, crew: Crew
    ) -> None:
        self._student, self._lessons, self._ease, self._crew = student, lessons, ease, crew
        self._seen: dict[int, Standing] = {}
        self._current: set[int] = set()

    def all(self) -> list[Standing]:
        """Of every lesson, as it stands now."""
        return self.of(range(len(self._lessons)))

    def of(self, indices: Iterable[int]) -> list[Standing]:
        """Of these lessons, as they stand now."""
        chosen = list(indices)
        stale = [i for i in chosen if i not in self._current]
        mine = [i for i in stale if self._crew.owns(i)]
        found = standings(self._student, [self._lessons[i] for i in mine])
        seen = self._crew.gathered(dict(zip(mine, found, strict=True)))
        self._seen.update(zip(sorted(stale), seen, strict=True))
        self._current.update(stale)
        return [self._seen[i] for i in chosen]

    def near(self, active: Collection[int]) -> list[Standing]:
        """Of every lesson; those that are neither `active` nor NEAR to come back, as last seen."""
        self.of(i for i in range(len(self._lessons)) if i in active or self._is_near(i))
        return [self._seen[i] for i in range(len(self._lessons))]

    def moved(self, batch: Sequence[int] = (), before: Sequence[Standing] = ()) -> None:
        """The adapter has changed; the lessons of `batch` stood like `before` until then."""
        self._seen.update(zip(batch, before, strict=True))
        self._current.clear()

    def room(self, i: int) -> float:
        """How many times its floor the nearest forbidden token of a lesson may still rise to."""
        room = self._lessons[i].floor * self._ease / self._seen[i].forbidden.clamp(min=1e-9)
        return float(room.clamp(min=1.0).min()) if len(room) else math.inf

    def state(self) -> dict[str, Any]:
        """What was seen and what of it still holds, as tensors and plain values."""
        seen = {i: tuple(self._seen[i]) for i in sorted(self._seen)}
        return {"seen": seen, "current": sorted(self._current)}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        seen: Mapping[int, tuple[Tensor, Tensor]] = kept["seen"]
        self._seen = {i: Standing(*pair) for i, pair in seen.items()}
        self._current = set(kept["current"])

    def _is_near(self, i: int) -> bool:
        return self.room(i) < NEAR or len(self._seen[i].wanted) > 0
