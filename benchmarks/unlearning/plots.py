"""Pictures beside the tables: forgetting against utility, the attack, the ablations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.unlearning.runs import OURS, Point
from benchmarks.unlearning.tables import Row, standings
from benchmarks.unlearning.task import TASKS
from unlearn.methods import METHODS

matplotlib.use("Agg")
from matplotlib import pyplot

plot: Any = pyplot


def forget_against_utility(points: Sequence[Point], path: Path) -> None:
    """By task, a line through the checkpoints of each tuning run and a mark where each test run
    ended: to the right forgets more, up keeps more."""
    tasks = [task for task in TASKS if any(point.trial.task == task for point in points)]
    figure, axes = _panels(len(tasks))
    for axis, task in zip(axes, tasks, strict=True):
        mine = [point for point in points if point.trial.task == task]
        _curves(axis, [point for point in mine if point.trial.part == "tuning"])
        _marks(axis, [point for point in mine if point.trial.part == "test"])
        axis.axhline(0.98, color="grey", linewidth=0.6, linestyle=":")
        axis.axvline(0.90, color="grey", linewidth=0.6, linestyle=":")
        axis.set(
            title=task, xlabel="forget quality (1 - BLEU)", ylabel="utility kept", ylim=(0, 1.05)
        )
    _legend(figure, axes)
    _save(figure, path)


def attack(found: Sequence[Row], path: Path) -> None:
    """What a prefix of the blamed text brings back, by method."""
    tasks = list(dict.fromkeys(row.task for row in found))
    figure, axes = _panels(len(tasks))
    for axis, task in zip(axes, tasks, strict=True):
        places = [each for each in standings(found) if each.task == task]
        names = [each.method for each in places]
        axis.barh(
            names, [each.means.prefix_effect for each in places], color=[*map(_colour, names)]
        )
        axis.axvline(0.05, color="grey", linewidth=0.6, linestyle=":")
        axis.set(title=task, xlabel="forget quality lost to injected prefixes")
    _save(figure, path)


def ablation(places: Sequence[tuple[str, float, float]], path: Path) -> None:
    """Variants of ours as (name, forget quality, utility kept); the first is ours itself."""
    figure, [axis] = _panels(1)
    for i, (name, quality, utility) in enumerate(places):
        axis.plot(quality, utility, marker="o", color="black" if i == 0 else "tab:blue")
        axis.annotate(
            name, (quality, utility), fontsize=7, xytext=(4, 3), textcoords="offset points"
        )
    axis.set(xlabel="forget quality (1 - BLEU)", ylabel="utility kept")
    _save(figure, path)


def _panels(count: int) -> tuple[Any, list[Any]]:
    figure, axes = plot.subplots(
        1, max(1, count), figsize=(4.6 * max(1, count), 4.2), squeeze=False
    )
    return figure, list(axes[0])


def _curves(axis: Any, points: Sequence[Point]) -> None:
    trials: dict[tuple[str, float], list[Point]] = {}
    for point in points:
        trials.setdefault((point.trial.method, point.trial.rate), []).append(point)
    for (name, _), course in trials.items():
        course.sort(key=lambda point: point.updates)
        axis.plot(
            [point.score.forget_quality for point in course],
            [_height(point) for point in course],
            linewidth=1.6 if name == OURS else 0.6,
            color=_colour(name),
            label=name,
        )


def _marks(axis: Any, points: Sequence[Point]) -> None:
    for point in points:
        name = point.trial.method
        place = (point.score.forget_quality, _height(point))
        axis.plot(*place, marker="o", markersize=6 if name == OURS else 4, color=_colour(name))


def _height(point: Point) -> float:
    return min(1.02, point.score.utility_kept)


def _colour(name: str) -> Any:
    """The same for a method in every panel."""
    return "black" if name == OURS else plot.get_cmap("tab20")(list(METHODS).index(name) % 20)


def _legend(figure: Any, axes: Sequence[Any]) -> None:
    handles: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=7, fontsize=8)
    figure.subplots_adjust(bottom=0.24)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plot.close(figure)
