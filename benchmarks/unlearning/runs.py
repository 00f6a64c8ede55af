"""One training of one method on one task, measured on its way and kept: nothing is run twice."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from benchmarks.unlearning.grounds import Place
from benchmarks.unlearning.measure import Figures, measure
from benchmarks.unlearning.task import Task, TaskName
from store.records import Item
from unlearn.config import RefreshConfig
from unlearn.items import examples
from unlearn.lookalikes import lookalikes
from unlearn.lora import Student
from unlearn.methods import METHODS, method
from unlearn.preparation import can_be_forced
from unlearn.retain import retain_set
from unlearn.teacher import anchors, teach
from unlearn.train import train

OURS = "span_prod"
CONTEXT_TOKENS = 256

Part = Literal["tuning", "test"]


@dataclass(frozen=True)
class Budget:
    """What every method gets alike."""

    updates: int = 24
    checkpoints: tuple[int, ...] = (8, 16, 24)
    """In tuning, measured after so many updates; a method may stop at any of them."""
    items: int = 8
    """Of the task, drawn by seed."""
    tuning_items: int = 6
    rates: int = 2
    """Rates tried on the tuning items."""
    seeds: int = 3


@dataclass(frozen=True)
class Trial:
    """What was trained."""

    model: str
    task: TaskName
    method: str
    rate: float
    seed: int
    part: Part


@dataclass(frozen=True)
class Score:
    """What of the figures is kept; NaN what was not measured."""

    forget_quality: float
    """Mean of 1 - smoothed BLEU; garbage counts no more than an unrelated answer."""
    unsmoothed_quality: float
    """The same as PROD has it: unsmoothed, garbage counts in full."""
    utility_kept: float
    """Probability per token of unseen code, relative to the base's: exp(loss before - after)."""
    accuracy_kept: float
    """Next-token accuracy on unseen code, relative to the base's."""
    exact_kept: float
    """Unseen lines filled in word for word, relative to the base's."""
    parses_kept: float
    """Files that parse with an unseen line filled in, relative to the base's."""
    leaking: float
    """Share of the items that come out greedily in some prompt form."""
    leak16: float
    """Share of the items that come out in one of 16 samples."""
    prefix_effect: float
    """Forget quality lost at the worst of the lengths of target given away."""
    variants_leaking: float
    neighbours_kept: float
    below_thresholds: float
    """Share of the items below every threshold of "Scrub It Out!"."""
    garbage: float
    replaced: float | None
    worst_probability: float


@dataclass(frozen=True)
class Point:
    """Where a training stood after some updates."""

    trial: Trial
    updates: int
    is_last: bool
    seconds_per_item: float
    """Of training alone, teacher included, measuring not."""
    score: Score


# LoRA, and a model this small, want far larger rates than the papers' full fine-tuning. Two each,
# a factor of two or three apart, in the order of the independent grid on LoRA: ascent lowest.
RATES: dict[str, tuple[float, ...]] = {
    "span_prod": (1.5e-3, 3e-3),
    "prod": (1.2e-3, 3e-3),
    "selective_ga": (1e-4, 3e-4),
    "npo": (1e-4, 3e-4),
    "ga": (1e-4, 3e-4),
    "ga_gd": (1e-4, 3e-4),
    "ga_kl": (1e-4, 3e-4),
    "wga": (3e-4, 1e-3),
    "dpo": (3e-4, 1e-3),
    "simnpo": (3e-4, 1e-3),
    "flat": (3e-4, 1e-3),
    "undial": (1.2e-3, 3e-3),
    "ce_u": (1.2e-3, 3e-3),
}


def rates_of(name: str, budget: Budget) -> tuple[float, ...]:
    """The rates tried for a method, those of its loss where it is a variant."""
    return RATES[name.removesuffix("_on_span")][: budget.rates]


class Runs:
    """The points of one file, and how to add to them."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.is_file() else []
        self.points = [_point(line) for line in lines]

    def of(self, trial: Trial) -> list[Point]:
        """What was measured of a trial; empty if it was not run to its end."""
        found = [point for point in self.points if point.trial == trial]
        return found if any(point.is_last for point in found) else []

    def ensure(
        self,
        trial: Trial,
        place: Place,
        updates: int | None = None,
    ) -> list[Point]:
        """The points of a trial of so many updates (the budget's unless given), run now unless
        they are kept."""
        if not self.of(trial):
            self.points = [point for point in self.points if point.trial != trial]
            config = settings(trial, updates or self._budget.updates)
            points = carry_out(trial, config, place, self._budget)
            self.keep(points)
        return self.of(trial)

    def keep(self, points: Sequence[Point]) -> None:
        """Add points, here and in the file."""
        self.points += points
        with self._path.open("a") as file:
            file.writelines(json.dumps(asdict(point)) + "\n" for point in points)

    def chosen(self, model: str, task: TaskName, name: str) -> tuple[float, int]:
        """Rate and updates of the best tuning point: of those that forget well, the most useful;
        of none, the one that forgets best."""
        tried = [
            point
            for point in self.points
            if (point.trial.model, point.trial.task, point.trial.method) == (model, task, name)
            and point.trial.part == "tuning"
            and (point.is_last or name != OURS)  # ours ends by itself
        ]
        best = max(tried, key=lambda point: merit(point.score))
        return best.trial.rate, best.updates


ENOUGH = 0.9
"""Forget quality from which on utility decides."""


def merit(score: Score) -> tuple[bool, float]:
    """For comparing points: first whether enough is forgotten, then what is kept, or forgotten."""
    enough = score.forget_quality >= ENOUGH
    return enough, score.utility_kept if enough else score.forget_quality


def drawn(task: Task, trial: Trial, budget: Budget) -> Sequence[Item]:
    """The items of a trial: all for tuning, or a sample by seed."""
    if trial.part == "tuning":
        return task.tuning[: budget.tuning_items]
    count = min(budget.items, len(task.forget))
    return random.Random(trial.seed).sample(list(task.forget), count)


def settings(trial: Trial, updates: int) -> RefreshConfig:
    """Ours ends item by item, as it is used; a published method runs its updates, as published."""
    return RefreshConfig(
        method=trial.method,
        learning_rate=trial.rate,
        max_updates=updates,
        stops_per_item=trial.method == OURS,
        aims=trial.method == OURS,
        context_tokens=CONTEXT_TOKENS,
        retain_size=128,
        seed=trial.seed,
    )


def carry_out(trial: Trial, config: RefreshConfig, place: Place, budget: Budget) -> list[Point]:
    """Train and measure, at the budget's checkpoints and at the end."""
    loaded, task = place.loaded, place.task
    items = drawn(task, trial, budget)
    began, measuring = time.monotonic(), 0.0
    keep = retain_set(loaded, [], config.retain_size, trial.seed)
    sequences = examples(loaded, items, config.context_tokens, METHODS[trial.method])
    # of ours; the published methods are run as published
    alike = lookalikes(loaded, items, items, config, str) if trial.method == OURS else []
    student = Student(loaded.model, seed=trial.seed, start=None)
    points: list[Point] = []

    def look(updates: int, is_last: bool) -> None:
        nonlocal measuring
        spent, started = time.monotonic() - began - measuring, time.monotonic()
        depth = "thorough" if trial.part == "test" else "brief"
        found = measure(student.model, loaded, task, items, place.ground, depth=depth)
        points.append(Point(trial, updates, is_last, spent / len(items), _score(found)))
        measuring += time.monotonic() - started

    def report(done: int, total: int, message: str) -> None:
        is_between = done in budget.checkpoints and done < config.max_updates
        if is_between and trial.part == "tuning":
            look(done, False)

    try:
        with student.as_base() as base:
            lessons = teach(base, sequences, config, can_be_forced(loaded))
            needs = method(config.method).needs_retain
            held = anchors(base, keep.train, trial.seed) if needs else []
            near = anchors(base, alike, trial.seed)
        training = train(student, lessons, held, config, report, lookalikes=near)
        look(training.updates, True)
    finally:
        student.unload()
    return points


def _score(found: Figures) -> Score:
    return Score(**{each.name: getattr(found, each.name) for each in fields(Score)})


def _point(line: str) -> Point:
    row = json.loads(line)
    trial, score = Trial(**row["trial"]), Score(**row["score"])
    return Point(trial, row["updates"], row["is_last"], row["seconds_per_item"], score)
