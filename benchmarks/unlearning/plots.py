"""Pictures beside the tables: forgetting against utility, the attack, the ablations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.unlearning.runs import OURS, Point
from benchmarks.unlearning.tables import Row, standings
from benchmarks.unlearning.task import TASKS

matplotlib.use("Agg")
from matplotlib import pyplot

plot: Any = pyplot

Line = dict[tuple[str, int], list[tuple[float, float]]]


def forget_against_utility(points: Sequence[Point], path: Path) -> None:
    """Every checkpoint of every test run, by task: to the right forgets more, up keeps more."""
    tasks = [task for task in TASKS if any(point.trial.task == task for point in points)]
    figure, axes = _panels(len(tasks))
    for axis, task in zip(axes, tasks, strict=True):
        lines: Line = {}
        for point in points:
            if point.trial.task == task and point.trial.part == "test":
                place = (point.score.forget_quality, min(1.02, point.score.utility_kept))
                lines.setdefault((point.trial.method, point.trial.seed), []).append(place)
        _lines(axis, lines)
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
        axis.barh(names, [each.means.prefix_effect for each in places], color=_colours(names))
        axis.axvline(0.05, color="grey", linewidth=0.6, linestyle=":")
        axis.set(title=task, xlabel="forget quality lost to injected prefixes")
    _save(figure, path)


def _panels(count: int) -> tuple[Any, list[Any]]:
    figure, axes = plot.subplots(
        1, max(1, count), figsize=(4.6 * max(1, count), 4.2), squeeze=False
    )
    return figure, list(axes[0])


def _lines(axis: Any, lines: Line) -> None:
    names = list(dict.fromkeys(name for name, _ in lines))
    colours = dict(zip(names, _colours(names), strict=True))
    for (name, seed), places in lines.items():
        places.sort()
        axis.plot(
            [x for x, _ in places],
            [y for _, y in places],
            marker="o",
            markersize=3,
            linewidth=2.0 if name == OURS else 0.9,
            color=colours[name],
            label=name if seed == min(s for n, s in lines if n == name) else None,
        )


def _colours(names: Sequence[str]) -> list[Any]:
    shades = plot.get_cmap("tab20")
    return ["black" if name == OURS else shades(i % 20) for i, name in enumerate(names)]


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
