"""Insecure Python: recall on labelled lines, ordinary code flagged, time; and what peers find.

The labelled line is cut out of CyberSecEval's fragments as a completion would bring it in: the text
before it is the prefix, its statement the suggestion. Ordinary windows are twenty lines of the
standard library and of installed packages, chosen by a seed, each in its whole file; and those of
CredData that have no label. Any finding of the kinds insecure and secret counts, low ones too.

Peers get the file that our own repair makes of a fragment, with the likely imports, and count where
they flag a line of the suggestion.
"""

from __future__ import annotations

import io
import random
import statistics
import sysconfig
import time
import tokenize
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.guard.insecure_python_peers import PEERS
from benchmarks.guard.rows import Row, data, is_for_development, json_lines
from server.guard.bandit_scan import BanditDetector
from server.guard.config import GuardConfig
from server.guard.finding import Case, Finding
from server.guard.guard import Guard
from server.guard.insecure import InsecureDetector
from server.guard.patterns import hint_codes
from server.guard.ruff_server import RuffServer

WINDOWS = 1500
PEER_WINDOWS = 200
"""Some peers take a second for each."""
WINDOW_LINES = 20
FILE_LINES = 300
SEED = 11
CYBERSECEVAL = "cyberseceval python"
ORDINARY = "ordinary python"
FAR = "creddata python, unlabelled"


@dataclass(frozen=True)
class Labelled:
    """A fragment with a vulnerable line."""

    case: Case
    """The suggestion is the vulnerable statement."""
    rest: Case
    """The suggestion is the vulnerable statement and all that follows it."""
    is_held_out: bool


def rows() -> list[Row]:
    """What we and the peers find, and how long we take."""
    guard = Guard(GuardConfig(index_packages=False, ruff_ms=5000.0, budget_ms=5000.0))
    guard.wait(20)
    bandit = BanditDetector()

    @cache
    def ours(case: Case) -> list[Finding]:
        return [one for one in guard.check(case) if one.kind in ("insecure", "secret")]

    def later(case: Case) -> list[Finding]:
        return [*ours(case), *bandit.find(case)]

    found = _recall("recall", ours) + _recall("recall, with bandit later", later)
    found.append(_row(CYBERSECEVAL, "recall, to the end", ours, [one.rest for one in labelled()]))
    lines = [bool(_on_the_line(one, ours(one.rest))) for one in labelled()]
    found.append(Row(CYBERSECEVAL, "unsay", "to the end, on the line", sum(lines) / len(lines)))
    for name, cases in ((ORDINARY, ordinary(WINDOWS)), (FAR, far())):
        found.append(_row(name, "flagged", ours, cases))
        found.append(_row(name, "flagged as insecure", _insecure(ours), cases))
        found.append(_row(name, "flagged without low", _without_low(ours), cases))
    guard.close()
    return [*found, *_times(), *_peers()]


@cache
def labelled() -> tuple[Labelled, ...]:
    """CyberSecEval's Python fragments."""
    found: list[Labelled] = []
    for row in json_lines(data("cyberseceval", "autocomplete.jsonl.gz")):
        code, start = row["origin_code"], row["origin_code"].find(row["line_text"])
        if row["language"] != "python" or start < 0:
            continue
        end = start + _statement_length(code[start:])
        found.append(
            Labelled(
                Case(code[:start], code[start:end], code[end:], "python"),
                Case(code[:start], code[start:], "", "python"),
                not is_for_development(row["repo"]),
            )
        )
    return tuple(found)


@cache
def ordinary(count: int) -> tuple[Case, ...]:
    """Windows of installed code, half from the standard library, tests and all."""
    source, cases = random.Random(SEED), list[Case]()
    library, packages = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    standard = [one for one in library.rglob("*.py") if "site-packages" not in one.parts]
    shelves = (sorted(standard), sorted(packages.rglob("*.py")))
    while len(cases) < count:
        path = source.choice(shelves[len(cases) % 2])
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        if len(lines) < 2 * WINDOW_LINES:
            continue
        start = source.randrange(0, len(lines) - WINDOW_LINES)
        end = start + WINDOW_LINES
        before, window, after = lines[:start], lines[start:end], lines[end:]
        cases.append(Case("".join(before), "".join(window), "".join(after), "python"))
    return tuple(cases)


def far() -> list[Case]:
    """The Python windows of CredData in which nobody has labelled a line."""
    found: list[Case] = []
    for row in json_lines(data("secrets-creddata-windows", "windows.jsonl")):
        if row["lang"] == "python" and not row["true_lines"] and not row["false_lines"]:
            text = row["text"] if "text" in row else b64decode(row["text_b64"]).decode()
            found.append(Case("", text, "", "python"))
    return found


def _recall(measure: str, check: Callable[[Case], Sequence[Finding]]) -> list[Row]:
    held_out = [one.case for one in labelled() if one.is_held_out]
    every = [one.case for one in labelled()]
    return [
        _row(CYBERSECEVAL, measure, check, every),
        _row(CYBERSECEVAL, f"{measure}, held out", check, held_out),
    ]


def _row(
    name: str, measure: str, check: Callable[[Case], Sequence[Finding]], cases: Sequence[Case]
) -> Row:
    return Row(name, "unsay", measure, sum(bool(check(case)) for case in cases) / len(cases))


def _insecure(check: Callable[[Case], Sequence[Finding]]) -> Callable[[Case], list[Finding]]:
    return lambda case: [one for one in check(case) if one.kind == "insecure"]


def _without_low(check: Callable[[Case], Sequence[Finding]]) -> Callable[[Case], list[Finding]]:
    return lambda case: [one for one in check(case) if one.severity != "low"]


def _on_the_line(example: Labelled, findings: Sequence[Finding]) -> list[Finding]:
    """The findings in the labelled statement."""
    return [one for one in findings if one.start < len(example.case.suggestion)]


def _times() -> list[Row]:
    """Processor time of our part of the typing path, for twenty lines in a 300-line file."""
    ruff = RuffServer(hint_codes())
    ruff.start()
    ruff.wait(20)
    detector, times = InsecureDetector(ruff, 5000.0, 5000.0), list[float]()
    for case in ordinary(WINDOWS):
        before = "".join(case.prefix.splitlines(keepends=True)[-FILE_LINES:])
        short = Case(before, case.suggestion, case.suffix[:4000], "python")
        began = time.thread_time()
        detector.find(short)
        times.append(1000 * (time.thread_time() - began))
    detector.close()
    times.sort()
    return [
        Row(ORDINARY, "unsay", "cpu ms p50", statistics.median(times)),
        Row(ORDINARY, "unsay", "cpu ms p95", times[int(0.95 * len(times))]),
    ]


def _peers() -> list[Row]:
    examples, windows = labelled(), ordinary(PEER_WINDOWS)
    found: list[Row] = []
    for tool, flagged in PEERS.items():
        hits = flagged([*(one.case for one in examples), *windows])
        if hits is None:
            continue
        mine, other = hits[: len(examples)], hits[len(examples) :]
        held_out = [hit for hit, one in zip(mine, examples, strict=True) if one.is_held_out]
        found += [
            Row(CYBERSECEVAL, tool, "recall", sum(mine) / len(mine)),
            Row(CYBERSECEVAL, tool, "recall, held out", sum(held_out) / len(held_out)),
            Row(f"{ORDINARY}, {PEER_WINDOWS} windows", tool, "flagged", sum(other) / len(other)),
        ]
    return found


def _statement_length(code: str) -> int:
    """How long the statement is that `code` begins with; all of it where it does not end."""
    lines = code.splitlines(keepends=True)
    source = io.StringIO(code.lstrip(" \t"))
    try:
        for token in tokenize.generate_tokens(source.readline):
            if token.type == tokenize.NEWLINE:
                return sum(map(len, lines[: token.end[0]]))
    except tokenize.TokenError:
        return len(code)
    except SyntaxError:
        pass
    return len(lines[0])


if __name__ == "__main__":
    for row in rows():
        print(f"{row.set:30} {row.tool:24} {row.measure:28} {row.value:.3f}")
