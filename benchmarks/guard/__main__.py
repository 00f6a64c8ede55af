"""Measures the guard on labelled data, beside its peers, and writes the figures.

    python -m benchmarks.guard [part ...]

The parts are the modules beside this one; without a name all of them run, and what did not run
keeps its figures. The sets come from the
folder UNSAY_BENCH_DATA names; what is missing is named with where to get it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.guard.rows import Row
from benchmarks.machine import machine

RESULT = Path(__file__).parents[1] / "results" / "guard.json"
# The latencies come first: nothing else has warmed or tired the machine by then.
PARTS = (
    "latency",
    "secrets",
    "deprecated",
    "insecure_python",
    "insecure_other",
    "copies",
    "completions",
    "repair",
)


def main() -> None:
    """Run the parts, print their rows, and write them if all have run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all of them")
    asked: Sequence[str] = parser.parse_args().parts
    rows: list[Row] = []
    for part in asked or PARTS:
        began = time.monotonic()
        found: list[Row] = import_module(f"benchmarks.guard.{part}").rows()
        rows += found
        print(f"\n{part} ({time.monotonic() - began:.0f} s)")
        print(_table(found), flush=True)
    measured = {row.set for row in rows}
    kept = [row for row in _written() if row["set"] not in measured]
    document = {"machine": machine(), "rows": kept + [asdict(row) for row in rows]}
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def _written() -> list[dict[str, Any]]:
    """The rows of earlier runs."""
    return json.loads(RESULT.read_text())["rows"] if RESULT.is_file() else []


def _table(rows: Sequence[Row]) -> str:
    cells = [(row.set, row.tool, row.measure, f"{row.value:.4g}") for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )


if __name__ == "__main__":
    main()
