"""Other tools on the Python cases of our own: ruff's rules and pyright's types, one child each."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.guard.deprecated_cases import Own
from benchmarks.guard.rows import Row

RUFF_RULES = "NPY,PD,UP,PT009"
PYRIGHT_RULES = {"reportDeprecated", "reportAttributeAccessIssue", "reportCallIssue"}
Lines = dict[str, set[int]]
"""The lines of each file, from 1, on which a tool says something."""


def peer_rows(cases: Sequence[Own]) -> Iterator[Row]:
    """What ruff and pyright find on the lines of the completions."""
    tools: dict[str, Callable[[Path], Lines]] = {
        f"ruff {version('ruff')} ({RUFF_RULES})": _ruff,
        f"pyright {version('pyright')} (deprecated and missing members)": _pyright,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for own in cases:
            (folder / f"{own.name}.py").write_text(own.prefix + own.completion, encoding="utf-8")
        for tool, run in tools.items():
            said = run(folder)
            for group in dict.fromkeys(own.group for own in cases):
                yield from _rows([own for own in cases if own.group == group], group, tool, said)


def _rows(cases: Sequence[Own], group: str, tool: str, said: Lines) -> Iterator[Row]:
    hits = {own.name: bool(said.get(own.name, set()) & _lines(own)) for own in cases}
    positive = [hits[own.name] for own in cases if own.expect]
    negative = [hits[own.name] for own in cases if not own.expect]
    name = f"own cases, {group} ({len(positive)} old, {len(negative)} not)"
    yield Row(name, tool, "found", sum(positive) / len(positive))
    yield Row(name, tool, "false flags", sum(negative) / len(negative))


def _lines(own: Own) -> set[int]:
    first = own.prefix.count("\n") + 1
    return set(range(first, first + own.completion.count("\n") + 1))


def _ruff(folder: Path) -> Lines:
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--preview", "--no-cache",
         "--target-version", "py311", "--select", RUFF_RULES, "--output-format", "json", folder],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    found: Lines = {}
    said: list[dict[str, Any]] = json.loads(ran.stdout)
    for one in said:
        found.setdefault(Path(one["filename"]).stem, set()).add(one["location"]["row"])
    return found


def _pyright(folder: Path) -> Lines:
    settings = {"reportDeprecated": "warning", "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable,
         "--project", folder],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    found: Lines = {}
    said: dict[str, Any] = json.loads(ran.stdout)
    for one in said["generalDiagnostics"]:
        if one.get("rule") in PYRIGHT_RULES:
            row: int = one["range"]["start"]["line"] + 1
            found.setdefault(Path(one["file"]).stem, set()).add(row)
    return found
