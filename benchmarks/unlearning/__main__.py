"""Every unlearning method against every other on four tasks: tables, plots, one results file.

    python -m benchmarks.unlearning [--tasks secrets] [--methods prod span_prod] [--quick]

Runs are kept under build/ and never made twice, so a stopped benchmark goes on where it was.
The secrets are the embedded model's own canaries; the other tasks are taught to a copy of it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.unlearning import plots
from benchmarks.unlearning.grounds import Place, places
from benchmarks.unlearning.runs import OURS, RATES, Budget, Runs, Trial, rates_of
from benchmarks.unlearning.tables import RIVALS, Row, print_tables, rows
from benchmarks.unlearning.task import TASKS, TaskName
from unlearn.methods import METHODS

RESULTS = Path(__file__).parents[1] / "results"
BUILD = Path(__file__).resolve().parents[2] / "build" / "unlearning"
QUICK = Budget(updates=3, checkpoints=(2,), items=3, tuning_items=2, rates=1, seeds=1)


def main() -> None:
    """Run what is missing, print the tables, write results and plots."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlearning", description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(RATES))
    parser.add_argument("--quick", action="store_true", help="a few updates on the secrets")
    parser.add_argument("--seeds", type=int, default=Budget.seeds, help="of ours and its rivals")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    budget = QUICK if asked.quick else Budget(seeds=asked.seeds)
    runs = Runs(BUILD / f"points{'-quick' if asked.quick else ''}.jsonl", budget)
    names: Sequence[str] = asked.methods
    tasks: Sequence[TaskName] = asked.tasks or (["secrets"] if asked.quick else TASKS)
    for place in places(tasks, is_quick=asked.quick):
        for name in sorted(names, key=lambda name: (name != OURS, name not in RIVALS)):
            _carry_out(runs, place, name, budget)
    report(runs, None if asked.quick else RESULTS)


def _carry_out(runs: Runs, place: Place, name: str, budget: Budget) -> None:
    """Choose rate and updates on the tuning items, then run the seeds."""
    task: TaskName = place.task.name
    for rate in rates_of(name, budget):
        _run(runs, place, Trial(place.model, task, name, rate, 100, "tuning"))
    rate, updates = runs.chosen(place.model, task, name)
    is_main = name == OURS or name in RIVALS
    for seed in range(budget.seeds if is_main else 1):
        _run(runs, place, Trial(place.model, task, name, rate, seed, "test"), updates)


def _run(runs: Runs, place: Place, trial: Trial, updates: int | None = None) -> None:
    points = runs.ensure(trial, place, updates)
    last = points[-1]
    print(
        f"{trial.model} {trial.task} {trial.method} {trial.rate:g} {trial.part} {trial.seed}: "
        f"{last.updates} updates, forget {last.score.forget_quality:.3f}, "
        f"utility {last.score.utility_kept:.4f}",
        flush=True,
    )


def report(runs: Runs, folder: Path | None) -> None:
    """Print the tables; with a folder, write `unlearning.json` and the plots beside it."""
    found = rows(runs.points)
    print_tables(found)
    if folder is None:
        return
    written = {"machine": machine(), "rows": [_written(row) for row in found]}
    (folder / "unlearning.json").write_text(json.dumps(written, indent=1) + "\n")
    for model in dict.fromkeys(row.model for row in found):
        mine = [point for point in runs.points if point.trial.model == model]
        plots.forget_against_utility(mine, folder / f"unlearning-{model}.png")
        plots.attack(rows(mine), folder / f"unlearning-attack-{model}.png")


def _written(row: Row) -> dict[str, Any]:
    """As JSON has it, which knows no NaN: what was not measured is null."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(row).items()
    }


if __name__ == "__main__":
    main()
