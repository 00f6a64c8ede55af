"""How long the guard's typing path takes while somebody types, and which detector takes how much.

    python -m benchmarks.guard.latency [places]

Each place lies in a real file: 300 lines before it, 20 lines as the suggestion, 100 behind it. At
each one a few keys are typed, as an editor would ask: the prefix grows by a character and the
suggestion loses it. Every detector is on, the indexes are complete, the ledger holds 10,000 items.
Wall time counts the waiting for ruff; processor time is what a busy machine cannot stretch.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.guard.embedded import CACHE
from benchmarks.guard.ledger_forms import ledger_item
from benchmarks.guard.rows import Row
from server.guard.config import GuardConfig
from server.guard.finding import Case
from server.guard.guard import Guard
from store.records import Item

SEED = 7
PLACES = 150
KEYS = 4
ITEMS = 10_000
LINES_BEFORE, LINES, LINES_BEHIND = 300, 20, 100
LEAST_LINES = 80
LANGUAGES = {"python": "*.py", "javascript": "*.js"}


@dataclass
class Times:
    """Milliseconds of each check."""

    wall: list[float] = field(default_factory=list[float])
    processor: list[float] = field(default_factory=list[float])

    def measure(self, guard: Guard, case: Case) -> None:
        wall, processor = time.perf_counter(), time.thread_time()
        guard.check(case)
        self.processor.append((time.thread_time() - processor) * 1000)
        self.wall.append((time.perf_counter() - wall) * 1000)


def rows(places: int = PLACES) -> list[Row]:
    """Percentiles of each language, and the mean of each detector."""
    guard = Guard(GuardConfig(cache=CACHE.parent / "index"))
    try:
        if not guard.wait(600):
            sys.exit(f"the guard is not ready: {dict(guard.status())}")
        guard.set_ledger(map(_item, range(ITEMS)))
        return [row for language in LANGUAGES for row in _rows(guard, language, places)]
    finally:
        guard.close()


def _rows(guard: Guard, language: str, places: int) -> Iterator[Row]:
    name = f"typing path, {language}"
    keys = [list(_typed(case)) for case in _cases(language, places)]
    for case in keys[0]:
        guard.check(case)
    all_keys, first_keys = Times(), Times()
    for typed in keys:
        for number, case in enumerate(typed):
            all_keys.measure(guard, case)
            if number == 0:
                first_keys.wall.append(all_keys.wall[-1])
                first_keys.processor.append(all_keys.processor[-1])
    for what, times in (("", all_keys), (", first key in a file", first_keys)):
        for kind, values in (("wall", times.wall), ("processor", times.processor)):
            cuts = statistics.quantiles(values, n=100)
            for percent in (50, 95, 99):
                yield Row(name, "unsay", f"{kind} ms p{percent}{what}", round(cuts[percent - 1], 2))
    for detector in guard.detectors:
        began = time.thread_time()
        for typed in keys:
            for case in typed:
                detector.find(case)
        mean = (time.thread_time() - began) * 1000 / (len(keys) * KEYS)
        yield Row(name, "unsay", f"processor ms, mean, {detector.name}", round(mean, 3))
    yield Row(name, "unsay", "load average", round(os.getloadavg()[0], 1))


def _typed(case: Case) -> Iterator[Case]:
    for count in range(KEYS):
        typed, rest = case.suggestion[:count], case.suggestion[count:]
        yield Case(case.prefix + typed, rest, case.suffix, case.language)


def _cases(language: str, count: int) -> Iterator[Case]:
    rng = random.Random(SEED)
    files: list[list[str]] = []
    for folder in ("stdlib", "purelib") if language == "javascript" else ("stdlib",):
        root = Path(sysconfig.get_path(folder))
        found = root.rglob if language == "javascript" else root.glob
        for path in sorted(found(LANGUAGES[language])):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            if len(lines) >= LEAST_LINES and max(map(len, lines)) < 500:
                files.append(lines)
    for _ in range(count):
        lines = rng.choice(files)
        at = rng.randrange(LINES, len(lines) - LINES)
        prefix, end = "".join(lines[max(0, at - LINES_BEFORE) : at]), at + LINES
        suffix = "".join(lines[end : end + LINES_BEHIND])
        yield Case(prefix, "".join(lines[at:end]), suffix, language)


def _item(number: int) -> Item:
    return ledger_item(number, f"value_{number} = compute({number}, {number * 7})")


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else PLACES):
        print(f"{row.set:<26} {row.measure:<40} {row.value:>9}")
