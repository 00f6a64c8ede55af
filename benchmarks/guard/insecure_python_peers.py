"""What ruff, bandit and Code Shield flag in stitched Python, each asked once for all cases."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.guard import peers
from server.guard.finding import Case
from server.guard.fragment import documents
from server.guard.stitched import Stitched

MOST_REPAIRS = 6
# Runs where Code Shield and semgrep are: folder of files in, flagged lines by file name out.
_CODE_SHIELD = """
import json, re, subprocess, sys
from importlib.util import find_spec
from pathlib import Path
import yaml
where = Path(find_spec("codeshield").submodule_search_locations[0], "insecure_code_detector/rules")
rules = where / "semgrep/_generated_/python_codeshield.json"
patterns = []
for name in ("python.yaml", "language_agnostic.yaml"):
    if (where / "regex" / name).exists():
        for rule in yaml.safe_load((where / "regex" / name).read_text()):
            patterns.append(re.compile(rule["rule"]))
for line in sys.stdin:
    files = sorted(Path(json.loads(line)).glob("*.py"))
    found = {}
    for path in files:
        text = path.read_text()
        for pattern in patterns:
            for match in pattern.finditer(text):
                found.setdefault(path.name, []).append(text.count("\\n", 0, match.start()) + 1)
    scan = [Path(sys.executable).parent / "semgrep", "scan", "--config", rules, "--json", "--quiet"]
    still = ["--metrics=off", "--disable-version-check", "--no-git-ignore", json.loads(line)]
    done = subprocess.run([*scan, *still], capture_output=True, cwd=json.loads(line))
    for one in json.loads(done.stdout)["results"]:
        found.setdefault(Path(one["path"]).name, []).append(one["start"]["line"])
    print(json.dumps(found))
"""


def _ruff(folder: Path) -> dict[str, list[int]]:
    command = ["ruff", "check", "--isolated", "--no-cache", "--select", "S", "--ignore", "S101"]
    said = _said([*command, "--output-format", "json", "--exit-zero", str(folder)])
    return _by_file((one["filename"], one["location"]["row"]) for one in said)


def _bandit(folder: Path, *level: str) -> dict[str, list[int]]:
    command = ["bandit", "--quiet", "--recursive", "--format", "json", "--skip", "B101", *level]
    said = _said([*command, "--exit-zero", str(folder)])
    return _by_file((one["filename"], one["line_number"]) for one in said["results"])


def _bandit_medium(folder: Path) -> dict[str, list[int]]:
    return _bandit(folder, "-ll")


def _code_shield(folder: Path) -> dict[str, list[int]]:
    return peers.ask(_CODE_SHIELD, [str(folder)])[0]


def _flagged(
    check: Callable[[Path], dict[str, list[int]]],
) -> Callable[[Sequence[Case]], list[bool] | None]:
    """For each case, whether the tool flags a line of its suggestion; None where it cannot run."""

    def flagged(cases: Sequence[Case]) -> list[bool] | None:
        texts = [_complete(case) for case in cases]
        with tempfile.TemporaryDirectory() as folder:
            for number, text in enumerate(texts):
                path = Path(folder, f"case_{number:05}.py")
                path.write_text(text.text, encoding="utf-8", errors="replace")
            try:
                lines = check(Path(folder))
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                print(f"a peer cannot run here: {error}", file=sys.stderr)
                return None
        return [
            any(_is_inside(line, text) for line in lines.get(f"case_{number:05}.py", ()))
            for number, text in enumerate(texts)
        ]

    return flagged


PEERS: dict[str, Callable[[Sequence[Case]], list[bool] | None]] = {
    "ruff S": _flagged(_ruff),
    "bandit": _flagged(_bandit),
    "bandit medium and high": _flagged(_bandit_medium),
    "code shield's rules": _flagged(_code_shield),
}


def _complete(case: Case) -> Stitched:
    """The file as it is, else the first repair that Python's parser takes."""
    whole = Stitched(
        case.prefix + case.suggestion + case.suffix,
        len(case.prefix),
        len(case.prefix + case.suggestion),
    )
    for text in [whole, *islice(documents(case), MOST_REPAIRS)]:
        try:
            ast.parse(text.text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        return text
    return whole


def _is_inside(line: int, text: Stitched) -> bool:
    first = text.text.count("\n", 0, text.start) + 1
    last = text.text.count("\n", 0, max(text.start, text.end - 1)) + 1
    return first <= line <= last


def _by_file(found: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    lines: dict[str, list[int]] = defaultdict(list)
    for name, line in found:
        lines[Path(name).name].append(line)
    return lines


def _said(command: Sequence[str]) -> Any:
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, check=True)
    return json.loads(done.stdout)
