"""How long one check of the guard takes, on Python code from the standard library.

    python -m benchmarks.guard_latency [cases]

Each case is a place in a real file: the text before it (up to 300 lines), the next 1 to 20 lines as
the suggestion, and what follows. Every detector is on: ruff runs, the index is complete, and the
ledger holds 10,000 items.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from server.guard.config import GuardConfig
from server.guard.finding import Case
from server.guard.guard import Guard
from store.records import Item

SEED = 7
ITEMS = 10_000


def main() -> None:
    """Print the percentiles, in milliseconds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    cases = _cases(random.Random(SEED), count)
    with tempfile.TemporaryDirectory() as cache:
        guard = Guard(GuardConfig(cache=Path(cache)))
        print("building the index ...", file=sys.stderr)
        if not guard.wait(600):
            sys.exit(f"the guard is not ready: {dict(guard.status())}")
        guard.set_ledger(map(_item, range(ITEMS)))
        for case in cases[:20]:
            guard.check(case)
        times, flagged = list[float](), 0
        for case in cases:
            began = time.perf_counter()
            flagged += bool(guard.check(case))
            times.append((time.perf_counter() - began) * 1000)
        guard.close()
    cuts = statistics.quantiles(times, n=100)
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"{count} cases, {flagged} flagged; load average {os.getloadavg()[0]:.1f}")
    print(f"p50 {cuts[49]:.2f} ms   p95 {cuts[94]:.2f} ms   p99 {cuts[98]:.2f} ms")


def _cases(rng: random.Random, count: int) -> list[Case]:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    cases: list[Case] = []
    while len(cases) < count:
        path = rng.choice(files)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        if len(lines) < 60:
            continue
        at = rng.randrange(20, len(lines) - 25)
        end = at + rng.randint(1, 20)
        prefix, suffix = "".join(lines[max(0, at - 300) : at]), "".join(lines[end : end + 100])
        cases.append(Case(prefix, "".join(lines[at:end]), suffix, "python"))
    return cases


def _item(number: int) -> Item:
    target = f"value_{number} = compute({number}, {number * 7})"
    return Item(
        id=f"{number:032x}",
        created_at="2026-01-01T00:00:00.000Z",
        state="banned",
        kind="user",
        rule="user",
        language="python",
        origin="person",
        path=None,
        prefix="",
        suffix="",
        target=target,
        start=0,
        end=len(target),
        replacement=None,
        fingerprint=f"{number:064x}",
        context="",
        blamed_chars=len(target),
        verified=0,
        forgotten_in=None,
        suggestion=None,
        message=None,
    )


if __name__ == "__main__":
    main()
