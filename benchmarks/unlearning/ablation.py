"""What each part of ours is worth: the same training with one setting changed, on tuning items.

    python -m benchmarks.unlearning.ablation [--task secrets] [--threads 1]

Like PROD's Figure 6, with the mask, the loss and the aim beside p and alpha. Runs are kept under
build/ and never made twice; the rows and the picture go to benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.unlearning.grounds import Place, places
from benchmarks.unlearning.plots import ablation
from benchmarks.unlearning.runs import OURS, Budget, Trial, carry_out, settings
from benchmarks.unlearning.task import TASKS, TaskName
from unlearn.config import RefreshConfig

RESULTS = Path(__file__).parents[1] / "results"
BUILD = Path(__file__).resolve().parents[2] / "build" / "unlearning"
SEED = 100

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "ours": {},
    "p .5": {"top_p": 0.5},
    "p .95": {"top_p": 0.95},
    "ascent 0": {"ascent": 0.0},
    "ascent .5": {"ascent": 0.5},
    "lambda 0": {"anchor": 0.0},
    "lambda 1": {"anchor": 1.0},
    "rho 0": {"retain": 0.0},
    "rho 4": {"retain": 4.0},
    "not aimed": {"aims": False},
    "not eased": {"ease": 1.0},
    "all positions to the same floor": {"later_tau": 0.02},
    "no item leaves": {"stops_per_item": False},
    "PROD's loss on the span": {"method": "prod_on_span", "aims": False},
    "PROD as published": {"method": "prod", "aims": False},
}
"""By name, what differs from ours."""


@dataclass(frozen=True)
class Row:
    """How one variant ended."""

    task: TaskName
    variant: str
    updates: int
    forget_quality: float
    utility_kept: float
    worst_probability: float
    seconds_per_item: float


def main() -> None:
    """Run what is missing; each row is printed and written, and the picture drawn anew."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.unlearning.ablation", description=__doc__
    )
    parser.add_argument("--task", choices=TASKS, default="secrets")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    path = BUILD / "ablation.jsonl"
    rows = (
        [Row(**json.loads(line)) for line in path.read_text().splitlines()]
        if path.is_file()
        else []
    )
    [place] = places([asked.task], is_quick=False)
    done = {row.variant for row in rows if row.task == place.task.name}
    for name, changes in VARIANTS.items():
        if name not in done:
            row = _variant(place, name, changes)
            rows.append(row)
            with path.open("a") as file:
                file.write(json.dumps(asdict(row)) + "\n")
            print(_sentence(row), flush=True)
            _write(rows)


def _variant(place: Place, name: str, changes: Mapping[str, Any]) -> Row:
    budget, task = Budget(), place.task.name
    rate = RefreshConfig.learning_rate
    trial = Trial(place.model, task, changes.get("method", OURS), rate, SEED, "tuning")
    config = replace(settings(replace(trial, method=OURS), budget.updates), **changes)
    last = carry_out(trial, config, place, replace(budget, checkpoints=()))[-1]
    return Row(
        task,
        name,
        last.updates,
        last.score.forget_quality,
        last.score.utility_kept,
        last.score.worst_probability,
        last.seconds_per_item,
    )


def _sentence(row: Row) -> str:
    return (
        f"{row.task:12}{row.variant:34}{row.updates:4} updates  forget {row.forget_quality:.3f}  "
        f"utility {row.utility_kept:.4f}  worst {row.worst_probability:.3f}  "
        f"{row.seconds_per_item:.1f} s/item"
    )


def _write(rows: Sequence[Row]) -> None:
    table = {"machine": machine(), "rows": [asdict(row) for row in rows]}
    (RESULTS / "unlearning_ablation.json").write_text(json.dumps(table, indent=1) + "\n")
    for task in dict.fromkeys(row.task for row in rows):
        places = [
            (row.variant, row.forget_quality, row.utility_kept) for row in rows if row.task == task
        ]
        ablation(places, RESULTS / f"unlearning-ablation-{task}.png")


if __name__ == "__main__":
    main()
