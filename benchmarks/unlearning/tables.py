"""The benchmark's rows, its tables, and the questions that they answer."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from benchmarks.unlearning.runs import ENOUGH, OURS, Point, Score
from benchmarks.unlearning.task import TaskName

RIVALS = ("prod", "selective_ga", "npo", "ga")
"""PROD, CodeEraser, NPO and gradient ascent: what ours must dominate."""


@dataclass(frozen=True)
class Row(Score):
    """One method on one task with one seed, at the end of its training."""

    model: str
    task: TaskName
    method: str
    seed: int
    rate: float
    updates: int
    seconds_per_item: float


def rows(points: Iterable[Point]) -> list[Row]:
    """One for each test training."""
    return [_row(point) for point in points if point.is_last and point.trial.part == "test"]


def _row(point: Point) -> Row:
    trial = point.trial
    return Row(
        **asdict(point.score),
        model=trial.model,
        task=trial.task,
        method=trial.method,
        seed=trial.seed,
        rate=trial.rate,
        updates=point.updates,
        seconds_per_item=point.seconds_per_item,
    )


@dataclass(frozen=True)
class Standing:
    """A method on a task: means over its seeds, with the half-width of a 95 % interval."""

    task: TaskName
    method: str
    seeds: int
    forget_quality: float
    forget_half: float
    utility_kept: float
    utility_half: float
    means: Row


def standings(found: Sequence[Row]) -> list[Standing]:
    """By task and method, in the order in which they come."""
    groups: dict[tuple[TaskName, str], list[Row]] = {}
    for row in found:
        groups.setdefault((row.task, row.method), []).append(row)
    return [_standing(task, name, group) for (task, name), group in groups.items()]


# Student's t, two-sided 95 %, by degrees of freedom.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78}


def _standing(task: TaskName, name: str, group: list[Row]) -> Standing:
    def half(values: list[float]) -> float:
        if len(values) < 2:
            return float("nan")
        return _T.get(len(values) - 1, 2.0) * statistics.stdev(values) / len(values) ** 0.5

    quality = [row.forget_quality for row in group]
    utility = [row.utility_kept for row in group]
    return Standing(
        task=task,
        method=name,
        seeds=len(group),
        forget_quality=statistics.fmean(quality),
        forget_half=half(quality),
        utility_kept=statistics.fmean(utility),
        utility_half=half(utility),
        means=_mean_row(group),
    )


def _mean_row(group: list[Row]) -> Row:
    """Means of the figures; of the worst probability the worst."""
    replaced = [row.replaced for row in group if row.replaced is not None]
    numbers = [each.name for each in fields(Score) if each.name != "replaced"]
    means: dict[str, Any] = {
        name: statistics.fmean(getattr(row, name) for row in group) for name in numbers
    }
    means["worst_probability"] = max(row.worst_probability for row in group)
    means["seconds_per_item"] = statistics.fmean(row.seconds_per_item for row in group)
    return replace(group[0], **means, replaced=statistics.fmean(replaced) if replaced else None)


def dominates(one: Standing, other: Standing) -> bool:
    """Pareto: no worse in forgetting and in utility, better in one."""
    a, b = (one.forget_quality, one.utility_kept), (other.forget_quality, other.utility_kept)
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))


def dominance_ratio(points: Sequence[Standing], name: str) -> float:
    """PROD's PDR over the points of the other methods: the share that some point of `name`
    dominates."""
    mine = [point for point in points if point.method == name]
    others = [point for point in points if point.method != name]
    beaten = [any(dominates(one, other) for one in mine) for other in others]
    return sum(beaten) / max(1, len(beaten))


def hypervolume(points: Iterable[tuple[float, float]]) -> float:
    """Area that (forget quality, utility kept) points dominate above the origin, utility at most
    1."""
    area, reached = 0.0, 0.0
    for quality, utility in sorted(set(points), reverse=True):
        height = min(1.0, utility)
        if height > reached:
            area += quality * (height - reached)
            reached = height
    return area


def print_tables(found: Sequence[Row]) -> None:
    """One table per task, the best utility at enough forgetting first."""
    for task in dict.fromkeys(row.task for row in found):
        places = [each for each in standings(found) if each.task == task]
        places.sort(key=lambda s: (s.forget_quality < ENOUGH, -s.utility_kept))
        print(f"\n{task}")
        print(
            f"{'method':18}{'n':>2}{'forget':>14}{'utility':>16}{'acc':>7}{'leak16':>8}{'prefix':>8}"
            f"{'variants':>9}{'others':>8}{'instead':>8}{'worst p':>8}{'s/item':>8}"
        )
        for each in places:
            print(_line(each))
        ours = next((each for each in places if each.method == OURS), None)
        if ours is not None:
            beaten = [s.method for s in places if s.method in RIVALS and dominates(ours, s)]
            print(f"ours dominates {len(beaten)} of {len(RIVALS)} rivals: {', '.join(beaten)}")


def _line(each: Standing) -> str:
    row = each.means
    instead = "" if row.replaced is None else f"{row.replaced:.2f}"
    return (
        f"{each.method:18}{each.seeds:2}"
        f"{each.forget_quality:8.3f}±{each.forget_half:<5.3f}"
        f"{each.utility_kept:9.4f}±{each.utility_half:<6.4f}{row.accuracy_kept:7.3f}"
        f"{row.leak16:8.3f}{row.prefix_effect:8.3f}{row.variants_leaking:9.3f}"
        f"{row.neighbours_kept:8.2f}{instead:>8}{row.worst_probability:8.3f}"
        f"{row.seconds_per_item:8.1f}"
    )
