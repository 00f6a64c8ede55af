"""The training loop: one function, whatever the method, that stops per item."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.clip_grad import clip_grad_norm_

from unlearn.batch import retained, scored, standing
from unlearn.checkpoint import Checkpoint
from unlearn.config import RefreshConfig
from unlearn.crew import ALONE, Crew
from unlearn.directions import aim
from unlearn.lora import Student
from unlearn.methods import Weights, method
from unlearn.roll import LEARNED, Roll, Standing
from unlearn.teacher import Anchor, Lesson
from unlearn.training import Trail, Training, peak_bytes
from unlearn.watch import Watch

EASES = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the way from where the adapter began that may do, the shortest first."""
TIGHT = 8
"""So many lessons, those with the least room, are asked before all others whether a share does."""
RECHECK_UPDATES = 10
"""So often lessons are looked at again: one that has left may have come back."""

Progress = Callable[[int, int, str], None]
"""Done, total, one sentence."""


def train(
    student: Student,
    lessons: Sequence[Lesson],
    retain: Sequence[Anchor],
    config: RefreshConfig,
    report: Progress = lambda done, total, message: None,
    checkpoint: Checkpoint | None = None,
    crew: Crew = ALONE,
    lookalikes: Sequence[Anchor] = (),
) -> Training:
    """Train the adapter until every item is forgotten, or updates or time run out.

    An item leaves the batch once its forgotten tokens are improbable; when all have left, all are
    looked at again, and whatever came back is trained on. Without `stops_per_item`, all stay.
    `lookalikes` are held like `retain` and have a share of each update to themselves.
    With a `checkpoint`, a training that was killed goes on and ends as if it had not been. Of a
    `crew`, every process calls this with the same arguments, the first alone with a checkpoint.
    """
    torch.use_deterministic_algorithms(config.deterministic)
    kept = crew.from_first(checkpoint.read() if checkpoint else None)
    if kept is not None:
        student.restore(kept["adapter"])
    elif config.aims and student.is_new:
        aim(student, lessons, [*retain, *lookalikes])
        student.restore(crew.from_first(student.state()))
    course = _Course(student, lessons, retain, lookalikes, config, report, crew)
    if kept is None:
        course.start()
    else:
        course.restore(kept)
    course.carry_out(checkpoint)
    return course.ended()


class _Course:
    """One training under way."""

    def __init__(
        self,
        student: Student,
        lessons: Sequence[Lesson],
        retain: Sequence[Anchor],
        lookalikes: Sequence[Anchor],
        config: RefreshConfig,
        report: Progress,
        crew: Crew,
    ) -> None:
        self._crew = crew
        self._student, self._lessons = student, lessons
        alike = min(config.retain_examples // 2, config.lookalike_examples, len(lookalikes))
        self._held = ((retain, config.retain_examples - alike), (lookalikes, alike))
        self._config, self._report = config, report
        self._began = time.monotonic()
        self._chance = random.Random(config.seed)
        self._optimiser: Any = torch.optim.AdamW(student.parameters(), weight_decay=0.0)
        self._roll = Roll(lessons, config)
        self._watch = Watch(student, lessons, config.ease, crew)
        self._trails = dict[str, Trail]()
        self._losses, self._tokens = list[float](), 0
        self._began_as = student.state()
        self._items = 0  # that were to be forgotten
        self._is_over = False

    def start(self) -> None:
        """Take in what is to be forgotten."""
        now = self._watch.all()
        self._trails = {name: Trail(p, p) for name, p in _worst(self._lessons, now).items()}
        self._roll.enter(now)
        self._items = len(self._roll.items)

    def state(self) -> dict[str, Any]:
        """Where the training stands, as tensors and plain values."""
        return {
            "began_as": self._began_as,
            "adapter": self._student.state(),
            "optimiser": self._optimiser.state_dict(),
            "chance": self._chance.getstate(),
            "roll": self._roll.state(),
            "watch": self._watch.state(),
            "items": self._items,
            "is_over": self._is_over,
            "trails": {name: asdict(trail) for name, trail in self._trails.items()},
            "losses": self._losses,
            "tokens": self._tokens,
            "seconds": time.monotonic() - self._began,
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from there; the adapter itself is restored already."""
        self._began_as = kept["began_as"]
        self._optimiser.load_state_dict(kept["optimiser"])
        self._chance.setstate(kept["chance"])
        self._roll.restore(kept["roll"])
        self._watch.restore(kept["watch"])
        self._items, self._is_over = kept["items"], kept["is_over"]
        self._trails = {name: Trail(**trail) for name, trail in kept["trails"].items()}
        self._losses, self._tokens = list(kept["losses"]), kept["tokens"]
        self._began -= kept["seconds"]

    def carry_out(self, checkpoint: Checkpoint | None) -> None:
        """All that is still to be done."""
        if self._is_over:
            return
        self._forget(checkpoint)
        self._ease()
        self._is_over = True
        if checkpoint is not None:
            checkpoint.write(self.state())  # what comes after the training may be killed too

    def _forget(self, checkpoint: Checkpoint | None) -> None:
        """Push until all items are forgotten, or updates or time run out.

        The rate rises in a line over the first updates: an adapter begins at zero, and would make
        its first steps at full length in directions of chance.
        """
        config, roll, written = self._config, self._roll, time.monotonic()
        while len(self._losses) < config.max_updates and self._has_time:
            done = len(self._losses)
            is_due = config.stops_per_item and done % RECHECK_UPDATES == RECHECK_UPDATES - 1
            if is_due and roll.items:
                roll.enter(self._watch.near(roll.active))
            if not roll.items:
                roll.enter(self._watch.all())
            if not roll.items:
                break
            batch = roll.batch()
            share = min(1.0, (done + 1) / (config.warmup_updates + 1))
            before = self._step(batch, share * config.learning_rate)
            roll.note(batch, before)
            self._watch.moved(batch, before)
            left = f"{len(roll.items)} of {len(self._trails)} items still to forget"
            self._report(len(self._losses), config.max_updates, left)
            if checkpoint and time.monotonic() - written >= config.checkpoint_seconds:
                checkpoint.write(self.state())
                written = time.monotonic()

    def _ease(self) -> None:
        """Go back as far as everything stays forgotten: training overshoots, and what an adapter
        costs elsewhere grows with the square of its length."""
        if self._config.ease <= 1 or not self._losses:
            return
        gone = self._student.state()
        before = self._watch.all()
        tight = sorted(range(len(before)), key=self._watch.room)
        for share in EASES:
            self._student.restore(
                {name: torch.lerp(self._began_as[name], gone[name], share) for name in gone}
            )
            self._watch.moved()
            # the first to rise are the last that fell: a step too far is seen at them
            if all(
                self._stays_done(self._lessons[i], before[i], now)
                for some in (sorted(tight[:TIGHT]), sorted(tight[TIGHT:]))
                for i, now in zip(some, self._watch.of(some), strict=True)
            ):
                return
        self._student.restore(gone)
        self._watch.moved(range(len(before)), before)

    def _stays_done(self, lesson: Lesson, before: Standing, now: Standing) -> bool:
        """Whether nothing is above its eased floor that was not above it before."""
        limit = torch.maximum(lesson.floor * self._config.ease, before.forbidden)
        is_learned = (now.wanted > LEARNED) | (before.wanted <= LEARNED)
        return bool((now.forbidden <= limit).all() and is_learned.all())

    def ended(self) -> Training:
        """What came of it."""
        for name, p in _worst(self._lessons, self._watch.all()).items():
            self._trails[name].after = p
        seconds = time.monotonic() - self._began
        return Training(
            self._trails, len(self._losses), seconds, self._tokens, peak_bytes(), self._losses
        )

    @property
    def _has_time(self) -> bool:
        return self._crew.from_first(time.monotonic() - self._began < self._config.max_seconds)

    def _step(self, batch: Sequence[int], rate: float) -> list[Standing]:
        """One update; returns how the lessons of `batch` stood before it."""
        started, config = time.monotonic(), self._config
        kept = list[Anchor]()
        if method(config.method).needs_retain:
            for rows, count in self._held:
                kept += self._chance.sample(rows, min(count, len(rows)))
        chosen = [self._lessons[i] for i in batch]
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss, now = self._update(chosen, kept)
        self._losses.append(loss)
        self._tokens += sum(len(row.ids) for row in (*chosen, *kept))
        _note(self._trails, chosen, time.monotonic() - started)
        return now

    def _update(
        self, batch: Sequence[Lesson], kept: Sequence[Anchor]
    ) -> tuple[float, list[Standing]]:
        """One step of the optimiser; returns its loss and how the lessons stood before it.

        In a crew, each process's loss is of its own share, weighted by that.
        """
        student = self._student
        number = {pair: n for n, pair in enumerate(dict.fromkeys(row.pair for row in batch))}
        mine = [i for i, row in enumerate(batch) if self._crew.owns(number[row.pair])]
        self._optimiser.zero_grad()
        loss, now = 0.0, list[Standing]()
        if mine:
            chosen = [batch[i] for i in mine]
            weights = self._config.weights(self._items, len(self._roll.items), len(self._losses))
            found, now = _loss(student, chosen, self._shared(kept), self._config.method, weights)
            found = found * (len(mine) / len(batch))
            torch.autograd.backward(found)
            loss = float(found.detach())
        self._crew.sum_gradients(student.parameters())
        clip_grad_norm_(student.parameters(), 1.0)
        self._optimiser.step()
        losses = self._crew.gathered({self._crew.rank: loss})
        return sum(losses), self._crew.gathered(dict(zip(mine, now, strict=True)))

    def _shared(self, kept: Sequence[Anchor]) -> list[Anchor]:
        """This process's part of the retain sequences; all of them where there are too few."""
        return [row for i, row in enumerate(kept) if self._crew.owns(i)] or list(kept)


def _loss(
    student: Student,
    batch: Sequence[Lesson],
    kept: Sequence[Anchor],
    name: str,
    weights: Weights,
) -> tuple[Tensor, list[Standing]]:
    """The loss of a batch by the method of that name, with a gradient; how its lessons stand."""
    items = scored(student, batch, method(name).reads_base)
    retain = retained(student, kept) if kept else None
    matters = [(lesson.pushed | lesson.wanted).to(items.logits.device) for lesson in batch]
    parts = torch.split(items.logits.detach(), [len(lesson.positions) for lesson in batch])
    now = [
        standing(lesson, part[mask])
        for lesson, part, mask in zip(batch, parts, matters, strict=True)
    ]
    return method(name).loss(items, retain, weights), now


def _worst(lessons: Sequence[Lesson], found: Sequence[Standing]) -> dict[str, float]:
    worst = {lesson.example.item: 0.0 for lesson in lessons}
    for lesson, now in zip(lessons, found, strict=True):
        highest = float(now.forbidden.max()) if len(now.forbidden) else 0.0
        worst[lesson.example.item] = max(worst[lesson.example.item], highest)
    return worst


def _note(trails: dict[str, Trail], batch: Sequence[Lesson], seconds: float) -> None:
    """Book a step: each item of the batch bears its share of the time."""
    items = {lesson.example.item for lesson in batch}
    for item in items:
        trails[item].steps += 1
        trails[item].seconds += seconds / len(items)
