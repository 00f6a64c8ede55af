"""A ban list alone against unlearned weights, where an item was and where it is written otherwise.

    python -m benchmarks.unlearning.ban_list [--quick] [--tasks secrets insecure] [--items 12]

The ban list is the engine's own, over the base; the weights are an adapter with the bans off. The
variants have other identifiers, other formatting, or both, and were in no training.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.unlearning.scene import lessons_of, name_of, scene_of, tiny_scene, trained
from benchmarks.unlearning.task import Task, TaskName
from benchmarks.unlearning.tasks_secrets import secrets
from benchmarks.unlearning.tasks_taught import deprecated, insecure, licensed
from benchmarks.unlearning.taught import taught_model
from benchmarks.unlearning.variants import variants
from server.engine.load import LoadedModel, load_model
from server.engine.local import LocalEngine
from server.engine.protocol import Ask, Ban
from store.records import BASE, Item
from unlearn.config import RefreshConfig
from unlearn.probes import leaks
from unlearn.prompts import text_tokens

MODEL = Path("server/default_model")
FOLDER = Path("build/unlearning/ban_list")
RESULTS = Path("benchmarks/results/unlearning_ban_list.json")
PLACES = ("as it was", "renamed", "reformatted", "both", "elsewhere")


@dataclass(frozen=True)
class Row:
    """How often blamed text came out of one contender in one kind of place."""

    task: str
    place: str
    """One of PLACES, or `all variants`."""
    asked: int
    base: int
    """How many leaked with neither."""
    ban_list: int
    weights: int

    @property
    def points(self) -> float:
        """How many percentage points of the base's leaks the weights avoid beyond the list."""
        return 100 * (self.ban_list - self.weights) / max(1, self.base)


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.unlearning.ban_list", description=__doc__
    )
    options.add_argument("--quick", action="store_true", help="the tests' model")
    options.add_argument("--items", type=int, default=12, help="of each task")
    names = ("secrets", "licensed", "insecure", "deprecated")
    options.add_argument("--tasks", nargs="+", choices=names, default=list(names))
    asked = options.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    rows = tiny_rows() if asked.quick else task_rows(asked.tasks, asked.items)
    print_table(rows)
    if not asked.quick:
        keep(rows)


def keep(rows: Sequence[Row]) -> None:
    """In the results file, beside the rows of other tasks."""
    old: list[dict[str, Any]] = []
    if RESULTS.is_file():
        old = json.loads(RESULTS.read_text())["rows"]
    tasks = {row.task for row in rows}
    found = [row for row in old if row["task"] not in tasks] + [asdict(row) for row in rows]
    RESULTS.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1) + "\n")


def tiny_rows() -> list[Row]:
    """Six files that the tests' model knows; it was trained on nothing like their variants."""
    scene = tiny_scene(FOLDER)
    others = {item.id: variants(item) for item in scene.items}
    config = RefreshConfig(learning_rate=2e-3, max_updates=64)
    return rows_of("tiny", scene.loaded, scene.items, others, config)


def task_rows(names: Sequence[TaskName], count: int) -> list[Row]:
    """The benchmark's tasks, each on the model that says its items by heart."""
    rows: list[Row] = []
    for name in names:
        loaded = load_model(MODEL, "cpu", "float32") if name == "secrets" else taught_model()
        task = _task(name, loaded)
        config = RefreshConfig()
        rows += rows_of(name, loaded, task.forget[:count], task.variants, config)
    return rows


def rows_of(
    task: str,
    loaded: LoadedModel,
    items: Sequence[Item],
    others: Mapping[str, Sequence[Item]],
    config: RefreshConfig,
) -> list[Row]:
    """Train on `items` and ask in their places and in those of `others`."""
    scene = scene_of(loaded, items, FOLDER)
    folder = trained(scene, lessons_of(scene, items, config), config)
    engine = LocalEngine(loaded)
    try:
        engine.swap(name_of(folder), folder)
        engine.set_bans([ban for item in items for ban in _bans(engine, item)])
        found = {place: list[tuple[bool, bool, bool]]() for place in PLACES}
        for item in items:
            for place in (item, *others[item.id]):
                found[_place(place)].append(
                    (
                        _leaks(engine, loaded, place, BASE, bans=False),
                        _leaks(engine, loaded, place, BASE, bans=True),
                        _leaks(engine, loaded, place, name_of(folder), bans=False),
                    )
                )
    finally:
        engine.close()
    elsewhere = [seen for place in PLACES[1:] for seen in found[place]]
    return [
        _row(task, place, seen)
        for place, seen in (*found.items(), ("all variants", elsewhere))
        if seen
    ]


def print_table(rows: Sequence[Row]) -> None:
    for row in rows:
        print(
            f"{row.task:11} {row.place:13} {row.asked:3} asked, leaks: base {row.base:3}, "
            f"ban list {row.ban_list:3}, weights {row.weights:3}  ({row.points:+.0f} points)"
        )


def _task(name: TaskName, loaded: LoadedModel) -> Task:
    makers = {
        "secrets": secrets,
        "licensed": licensed,
        "insecure": insecure,
        "deprecated": deprecated,
    }
    return makers[name](loaded)


def _bans(engine: LocalEngine, item: Item) -> list[Ban]:
    return engine.bans_for(
        item.prefix or "",
        item.suffix or "",
        item.target or "",
        item.start,
        item.end,
        item.kind,
        item.replacement,
    )


def _place(item: Item) -> str:
    if "/" not in item.id:
        return "as it was"
    change = item.id.rpartition("/")[2]
    return change if change in PLACES else "elsewhere"


def _leaks(
    engine: LocalEngine, loaded: LoadedModel, item: Item, generation: str, *, bans: bool
) -> bool:
    ask = Ask(
        prefix=item.prefix or "",
        suffix=(item.suffix or "") if loaded.fim is not None else None,
        max_tokens=min(200, len(text_tokens(loaded, (item.target or "")[: item.end])[0]) + 6),
        document=f"{generation} {bans} {item.id}",
        stop_rules=False,
        bans=bans,
        generation=generation,
    )
    (done,) = engine.complete(ask)
    return leaks(item, done.text, fingerprint=lambda text: "")


def _row(task: str, place: str, seen: Sequence[tuple[bool, bool, bool]]) -> Row:
    base, ban_list, weights = (sum(column) for column in zip(*seen, strict=True))
    return Row(task, place, len(seen), base, ban_list, weights)


if __name__ == "__main__":
    main()
