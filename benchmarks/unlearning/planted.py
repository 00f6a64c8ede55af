"""Whether the gate blocks bad adapters and lets sound ones pass.

    python -m benchmarks.unlearning.planted [--quick] [--embedded] [--seed N] [--share K OF]

Fifty bad adapters, and sound ones that are judged fifty times, each time by other held-out code,
other lines and other samples. Judgements are kept under build/ and not made again; several
processes may each take a share of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from benchmarks.machine import machine
from benchmarks.unlearning.bad_adapters import Good, Planted, bad_adapter
from benchmarks.unlearning.scene import (
    Scene,
    embedded_scene,
    lessons_of,
    name_of,
    tiny_scene,
    trained,
)
from unlearn.config import RefreshConfig
from unlearn.gate import Trial, judge
from unlearn.verdict import Verdict

FOLDER = Path("build/unlearning/planted")
RESULTS = Path("benchmarks/results/unlearning_planted.json")
SOUND = "sound"
COUNT = 100
"""Judgements: of sound and of bad ones in turn."""
GOOD = 5
"""Sound adapters, each of other items and another seed."""
CONFIG = RefreshConfig(max_updates=64, retain_size=32, held_out=256, sampled_items=2)


@dataclass(frozen=True)
class Judged:
    """One adapter and what the gate said of it."""

    number: int
    model: str
    kind: str
    seed: int
    is_blocked: bool
    by: list[str]
    """The blocking rows that failed."""
    rise: float | None
    """Of the held-out loss, where it was measured."""
    sequences: int | None
    seconds: float
    """Wall time of the judgement."""


@dataclass(frozen=True)
class Row:
    """All adapters of one kind."""

    model: str
    kind: str
    adapters: int
    blocked: int
    by: str
    """Which rows blocked how many."""
    seconds: float
    """Median of a judgement."""


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.unlearning.planted", description=__doc__
    )
    options.add_argument("--embedded", action="store_true", help="on the embedded model")
    options.add_argument("--quick", action="store_true", help="every tenth judgement")
    options.add_argument("--seed", type=int, default=100)
    options.add_argument("--share", type=int, nargs=2, default=(0, 1), metavar=("K", "OF"))
    asked = options.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    name = f"{'embedded' if asked.embedded else 'tiny'}-{asked.seed}"
    share, of = asked.share
    folder = FOLDER / f"{name}-{share}"
    scene = embedded_scene(folder, 8) if asked.embedded else tiny_scene(folder)
    path = FOLDER / f"{name}.jsonl"
    config = replace(CONFIG, seed=asked.seed)
    numbers = [n for n in range(COUNT) if not asked.quick or n // 2 % 10 == 0]
    measure(scene, config, numbers[share::of], 2 if asked.quick else GOOD, path)
    found = kept(path)
    rows = summary(list(found.values()))
    print_table(rows)
    if len(found) == COUNT:
        table = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        table |= {"judged": [asdict(judged) for judged in found.values()]}
        RESULTS.write_text(json.dumps(table, indent=1) + "\n")


def kept(path: Path) -> dict[int, Judged]:
    """The judgements of earlier runs, by number."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [Judged(**json.loads(line)) for line in lines]
    return {judged.number: judged for judged in sorted(found, key=lambda judged: judged.number)}


def measure(
    scene: Scene, config: RefreshConfig, numbers: Sequence[int], sound_ones: int, path: Path
) -> None:
    """Judge those that were not yet: even numbers are sound ones, odd ones bad."""
    due = [number for number in numbers if number not in kept(path)]
    seeds = range(config.seed, config.seed + sound_ones if due else config.seed)
    home = path.with_name(f"{path.stem}-sound")
    home.mkdir(exist_ok=True)
    good = [sound(scene, replace(config, seed=seed), home) for seed in seeds]
    for number in due:
        which = number // 2
        if number % 2:
            planted = bad_adapter(which, scene, good, config)
        else:
            one = good[which % len(good)]
            planted = Planted(SOUND, one.folder, name_of(one.folder), one.items, one.lessons)
        judged = _judged(scene, planted, replace(config, seed=config.seed + 500 + number), number)
        print(f"{number:3} {judged.kind:28} {', '.join(judged.by) or 'passed'}", flush=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(judged)) + "\n")


def sound(scene: Scene, config: RefreshConfig, home: Path) -> Good:
    """An adapter that forgets two thirds of the items, chosen by the seed; made once."""
    chance = random.Random(config.seed)
    items = tuple(chance.sample(scene.items, 2 * len(scene.items) // 3))
    lessons = lessons_of(scene, items, config)
    folder = home / str(config.seed)
    if not folder.exists():
        trained(scene, lessons, config).rename(folder)
    return Good(folder, items, tuple(lessons))


def summary(found: Sequence[Judged]) -> list[Row]:
    """By kind, and over all bad ones."""
    kinds = list(dict.fromkeys(judged.kind for judged in found))
    rows = [_row(kind, [j for j in found if j.kind == kind]) for kind in kinds]
    bad = [judged for judged in found if judged.kind != SOUND]
    return [*rows, _row("all bad ones", bad)]


def print_table(rows: Sequence[Row]) -> None:
    for row in rows:
        print(
            f"{row.model:12} {row.kind:28} {row.blocked:3} of {row.adapters:3} blocked  "
            f"{row.seconds:6.1f} s  {row.by}"
        )


def _judged(scene: Scene, planted: Planted, config: RefreshConfig, number: int) -> Judged:
    started = time.monotonic()
    verdict = verdict_on(scene, planted, config)
    seconds = time.monotonic() - started
    by = [row.name for row in verdict.rows if row.blocking and not row.passed]
    return Judged(
        number=number,
        model=scene.loaded.name,
        kind=planted.kind,
        seed=config.seed,
        is_blocked=not verdict.passed,
        by=by,
        rise=None if verdict.drift is None else verdict.drift.rise,
        sequences=None if verdict.drift is None else verdict.drift.sequences,
        seconds=round(seconds, 2),
    )


def verdict_on(scene: Scene, planted: Planted, config: RefreshConfig) -> Verdict:
    """The gate's, with the held-out code, the lines and the samples of the seed."""
    items = sorted(planted.items, key=lambda item: item.id in planted.old)
    trial = Trial(
        loaded=scene.loaded,
        items=items,
        new=frozenset(item.id for item in items if item.id not in planted.old),
        lessons=planted.lessons,
        held_out=scene.held_out(config.seed, config.held_out),
        fingerprint=lambda text: "",
    )
    return judge(planted.folder, planted.name, trial, config)


def _row(kind: str, found: Sequence[Judged]) -> Row:
    names = [name for judged in found for name in judged.by]
    by = ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(names))
    seconds = sorted(judged.seconds for judged in found)[len(found) // 2]
    blocked = sum(judged.is_blocked for judged in found)
    return Row(found[0].model, kind, len(found), blocked, by, seconds)


if __name__ == "__main__":
    main()
