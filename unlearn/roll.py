"""Which lessons are still to be trained on: an item that is forgotten leaves the batch."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from unlearn.config import RefreshConfig
from unlearn.forward import length_sorted
from unlearn.teacher import BATCH_TOKENS, Lesson

PASS_UPDATES = 16
"""Very many lessons share an update in such numbers that all have their turn in about so many; it
may be twice that, as no batch grows beyond BATCH_TOKENS."""
LEARNED = 0.5
"""A replacement's token this probable is what comes instead."""


class Standing(NamedTuple):
    """How probable the tokens of one lesson are that matter in it."""

    forbidden: Tensor
    """(pushed,) of the most probable forbidden token."""
    wanted: Tensor
    """(wanted,) of the replacement's tokens."""


def is_done(lesson: Lesson, now: Standing, ease: float = 1.0) -> bool:
    """Whether all forbidden tokens are below `ease` times their floors and the replacement is
    learned."""
    return bool((now.forbidden < lesson.floor * ease).all() and (now.wanted > LEARNED).all())


class Roll:
    """The lessons still in training, dealt out in batches of similar length."""

    def __init__(self, lessons: Sequence[Lesson], config: RefreshConfig) -> None:
        self._lessons = lessons
        self._config = config
        self._chance = random.Random(config.seed)
        self._active: set[int] = set()
        self._queue: list[list[int]] = []

    def enter(self, standings: Sequence[Standing]) -> None:
        """Take in every lesson that is not done; `standings` has one for each lesson.

        Nothing comes back for having risen no higher than the end of a training lets it: an
        adapter that goes on would have to forget everything anew night after night.
        """
        self._queue = []
        self._active = {
            i
            for i, now in enumerate(standings)
            if not (
                self._config.stops_per_item and is_done(self._lessons[i], now, self._config.ease)
            )
        }

    def note(self, batch: Sequence[int], standings: Sequence[Standing]) -> None:
        """Let those lessons of `batch` leave that are done; `standings` has one for each."""
        for i, now in zip(batch, standings, strict=True):
            if self._config.stops_per_item and is_done(self._lessons[i], now):
                self._active.discard(i)

    def state(self) -> dict[str, Any]:
        """Who is still on the roll and what is dealt already, as plain values."""
        return {
            "active": sorted(self._active),
            "queue": self._queue,
            "chance": self._chance.getstate(),
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        self._active, self._queue = set(kept["active"]), kept["queue"]
        self._chance.setstate(kept["chance"])

    @property
    def active(self) -> frozenset[int]:
        """Indices of the lessons that are still to be trained on."""
        return frozenset(self._active)

    @property
    def items(self) -> set[str]:
        """The items that are still to be forgotten."""
        return {self._lessons[i].example.item for i in self._active}

    def batch(self) -> list[int]:
        """Indices of the next lessons, more at once of very many; empty when none is left.

        A replacement's sequence stays as long as its item does.
        """
        while self._active:
            staying = self.items
            while self._queue:
                queued = self._queue.pop(0)
                kept = [i for i in queued if i in self._active or self._helps(i, staying)]
                if kept:
                    return kept
            self._deal(staying)
        return []

    def _helps(self, i: int, staying: set[str]) -> bool:
        lesson = self._lessons[i]
        return bool(lesson.wanted.any()) and lesson.example.item in staying

    def _deal(self, staying: set[str]) -> None:
        """Fill the queue; a sequence and the one wanted in its place stand in one batch."""
        pairs: dict[tuple[str, str, int], list[int]] = {}
        for i, lesson in enumerate(self._lessons):
            if i in self._active or self._helps(i, staying):
                pairs.setdefault(lesson.pair, []).append(i)
        groups = list(pairs.values())
        longest = [max(len(self._lessons[i].ids) for i in group) for group in groups]
        size = max(self._config.batch_examples, -(-sum(map(len, groups)) // PASS_UPDATES))
        for indices in length_sorted(longest, BATCH_TOKENS // 2):
            self._queue += _cut([groups[k] for k in indices], size)
        self._chance.shuffle(self._queue)


def _cut(groups: Sequence[list[int]], size: int) -> list[list[int]]:
    """Batches of about `size` lessons that take no group apart."""
    batches: list[list[int]] = [[]]
    for group in groups:
        if batches[-1] and len(batches[-1]) + len(group) > size:
            batches.append([])
        batches[-1] += group
    return batches
