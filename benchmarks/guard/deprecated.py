"""How well deprecated names are found: resolution, instances of classes, and what the index says.

    python -m benchmarks.guard.deprecated

The resolution cases name versions that need not be installed: their index is built from the set's
own names. The cases of our own (deprecated_cases.toml) are about the installed packages. The
verdicts were given by a person who read 50 random hits of the index in their sources.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.guard.deprecated_cases import Own, own_cases
from benchmarks.guard.deprecated_peers import peer_rows
from benchmarks.guard.rows import Row, data, is_for_development, json_lines
from server.guard.api_index import ApiIndex
from server.guard.api_worker import index_environment
from server.guard.deprecated import DeprecatedDetector
from server.guard.finding import Case

HERE = Path(__file__).parent
LINES_APART = 150


def rows() -> list[Row]:
    """Every figure of this part of the guard."""
    found = list(_resolution())
    with tempfile.TemporaryDirectory() as cache:
        index, seconds, first = _environment_index(Path(cache))
        again = _seconds(Path(cache))
        found += [
            Row("environment", "unsay", "index, CPU seconds", seconds),
            Row("environment", "unsay", "standard library known after, CPU seconds", first),
            Row("environment", "unsay", "index kept from before, CPU seconds", again),
            *_own_cases(index),
            *peer_rows(own_cases()),
            *_eye(),
            *_speed(index),
        ]
    return found


def _resolution() -> Iterator[Row]:
    detectors: dict[tuple[str, str], DeprecatedDetector] = {}
    for row in json_lines(data("deprecated-python", "names.jsonl")):
        key = row["package"], row["version"]
        if key not in detectors:
            detectors[key] = DeprecatedDetector(ApiIndex(None, None))
        detectors[key].index.add_package(_as_said(row))
    scores: dict[str, list[tuple[int, int, int, int]]] = {"all": [], "held out": []}
    for row in json_lines(data("deprecated-python", "cases.jsonl")):
        detector = detectors[row["package"], row["version"]]
        case = Case(row["prefix"], row["completion"], "", "python")
        rules = {one.rule for one in detector.find(case)}
        expected = set(row["expect"])
        score = (bool(expected), bool(rules & expected), not expected, bool(rules - expected))
        scores["all"].append(score)
        if not is_for_development(row["package"]):
            scores["held out"].append(score)
    for part, several in scores.items():
        positive, found, negative, false = (sum(column) for column in zip(*several, strict=True))
        name = "deprecated-python" + ("" if part == "all" else ", held out")
        yield Row(name, "unsay", "found", found / positive)
        yield Row(name, "unsay", "false flags", false / (positive + negative))


def _as_said(row: dict[str, Any]) -> dict[str, Any]:
    """A row of names.jsonl as the worker would say it."""
    api = {
        "name": row["qualified_name"],
        "public": row["public_spellings"],
        "text": "",
        "use": None,
        "is_drop_in": False,
        "argument": None,
        "is_constructor": False,
    }
    said = {"package": row["package"], "version": row["version"], "apis": [api]}
    return said | {"returns": {}, "bases": {}}


def _environment_index(cache: Path) -> tuple[ApiIndex, float, float]:
    """The index of this interpreter's packages, and how long it and the standard library took."""
    index = ApiIndex(None, None)
    began, first = time.process_time(), 0.0
    for said in index_environment(sys.executable, cache):
        if "apis" in said:
            index.add_package(said)
        for name, version in said.get("packages", {}).items():
            index.add_table(name, version)
        if said.get("package") == "python":
            first = time.process_time() - began
    return index, time.process_time() - began, first


def _seconds(cache: Path) -> float:
    began = time.process_time()
    for _ in index_environment(sys.executable, cache):
        pass
    return time.process_time() - began


def _own_cases(index: ApiIndex) -> Iterator[Row]:
    detector = DeprecatedDetector(index)
    groups: dict[str, list[tuple[Own, set[str]]]] = {}
    for own in own_cases():
        case = Case(own.prefix, own.completion, "", "python")
        groups.setdefault(own.group, []).append((own, {one.rule for one in detector.find(case)}))
    for group, several in groups.items():
        positive = [rules >= set(own.expect) for own, rules in several if own.expect]
        negative = [bool(rules) for own, rules in several if not own.expect]
        name = f"own cases, {group} ({len(positive)} old, {len(negative)} not)"
        yield Row(name, "unsay", "found", sum(positive) / len(positive))
        yield Row(name, "unsay", "false flags", sum(negative) / max(1, len(negative)))
        for own, rules in several:
            if (own.expect and not rules >= set(own.expect)) or (not own.expect and rules):
                print(f"  {own.name}: {sorted(rules)}", file=sys.stderr)


def _eye() -> Iterator[Row]:
    path = HERE / "deprecated_verdicts.jsonl"
    if path.is_file():
        verdicts = [row["verdict"] == "right" for row in json_lines(path)]
        name = f"index, {len(verdicts)} random hits"
        yield Row(name, "unsay", "precision by eye", sum(verdicts) / len(verdicts))


def _speed(index: ApiIndex) -> Iterator[Row]:
    """One look at 20 lines behind 300 others of the standard library, warm, in CPU time."""
    detector = DeprecatedDetector(index)
    times: list[float] = []
    for path in sorted(Path(json.__file__).parents[1].glob("*.py")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        for at in range(300, len(lines) - 20, LINES_APART):
            prefix, suggestion = "".join(lines[at - 300 : at]), "".join(lines[at : at + 20])
            case = Case(prefix, suggestion, "".join(lines[at + 20 :]), "python")
            detector.find(replace(case, prefix=prefix[:-1]))  # one key before
            began = time.thread_time()
            detector.find(case)
            times.append((time.thread_time() - began) * 1000)
    cuts = statistics.quantiles(times, n=100)
    for percent in (50, 95, 99):
        name = f"{len(times)} places, 20 lines in 300"
        yield Row(name, "unsay", f"CPU milliseconds, p{percent}", cuts[percent - 1])


if __name__ == "__main__":
    for one in rows():
        print(f"{one.set:<50} {one.tool:<10} {one.measure:<45} {one.value:.3f}")
