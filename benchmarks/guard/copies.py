"""Copies of installed packages: found, missed, and seen where there are none; then the ledger's."""

from __future__ import annotations

import random
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.guard.ledger_forms import ledger_rows
from benchmarks.guard.rows import ROOT, Row, data, is_for_development, json_lines
from server.guard.copy_sources import python_packages
from server.guard.finding import Case
from server.guard.licensed import LicensedDetector
from server.guard.winnow import LEAST_TOKENS, tokens

SEED = 11
WINDOW_LINES = 20
CASES = 400
Window = tuple[str, str]
"""Where it is from, and its text."""


def rows() -> list[Row]:
    """Everything is measured on an index of this interpreter's own packages."""
    sites = [sysconfig.get_path("purelib")]
    with tempfile.TemporaryDirectory() as cache:
        detector = LicensedDetector(None, Path(cache), True)
        seconds = _wait(detector)
        found = [Row("site-packages", "unsay", "index: processor seconds", seconds)]
        read = [(p.name, file, t) for p in python_packages(sites) for file, t in p.sources()]
        source_bytes = sum(len(text) for *_, text in read)
        for measure, pattern in (("index", "copied-*"), ("kept by package", "copies-*")):
            size = sum(path.stat().st_size for path in Path(cache).glob(pattern))
            found.append(
                Row(
                    "site-packages",
                    "unsay",
                    f"{measure}: bytes per source byte",
                    size / source_bytes,
                )
            )
        rng = random.Random(SEED)
        sources = [(f"{name}/{file}", text) for name, file, text in rng.sample(read, CASES)]
        copies = list(_windows(sources, rng))
        found += _shares("exact 20-line copy", "flagged", detector, copies)
        renamed = [(source, _renamed(text, rng)) for source, text in copies]
        found += _shares("copy, one identifier renamed", "flagged", detector, renamed)
        for name, windows in (
            ("other projects (CredData)", list(_creddata())),
            ("standard library", list(_windows(_standard_library(), rng))),
            ("this repository", list(_windows(_repository(), rng))),
        ):
            found += _shares(name, "flagged as copies", detector, windows)
        found += _times(detector, [text for _, text in _windows(_standard_library(), rng)])
        detector.close()
    return found + ledger_rows()


def _wait(detector: LicensedDetector) -> float:
    """Processor time of the child that makes the index."""
    before = _children_seconds()
    if not detector.wait(900):
        sys.exit(f"no index: {detector.status()}")
    return _children_seconds() - before


def _children_seconds() -> float:
    if sys.platform == "win32":
        return time.monotonic()
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _windows(files: Iterable[Window], rng: random.Random) -> Iterator[Window]:
    """One place in each file, if there are enough tokens in it."""
    for source, text in files:
        lines = text.splitlines()
        start = rng.randrange(max(1, len(lines) - WINDOW_LINES))
        window = "\n".join(lines[start : start + WINDOW_LINES])
        if len(tokens(window)) >= 2 * LEAST_TOKENS:
            yield source, window


def _renamed(text: str, rng: random.Random) -> str:
    names = sorted(set(re.findall(r"\b[a-z_][a-z_0-9]{3,}\b", text)))
    name = rng.choice(names) if names else "x"
    return re.sub(rf"\b{name}\b", "renamed_here", text)


def _creddata() -> Iterator[Window]:
    for row in json_lines(data("secrets-creddata-windows", "windows.jsonl")):
        text = row.get("text") or b64decode(row["text_b64"]).decode("utf-8", "replace")
        if len(tokens(text)) >= LEAST_TOKENS:
            yield row["origin"], text


def _standard_library() -> Iterator[Window]:
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" not in path.parts and "test" not in path.parts:
            yield path.name, path.read_text(encoding="utf-8", errors="replace")


def _repository() -> Iterator[Window]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            yield name, (ROOT / name).read_text(encoding="utf-8")


def _shares(
    set: str, measure: str, detector: LicensedDetector, windows: Sequence[Window]
) -> list[Row]:
    """The share of all windows, and of those that no rule was made on."""
    flagged = [
        (
            source,
            any(
                one.rule == "copied-from-package"
                for one in detector.find(Case("", text, "", "python"))
            ),
        )
        for source, text in windows
    ]
    held_out = [is_flagged for source, is_flagged in flagged if not is_for_development(source)]
    return [
        Row(set, "unsay", measure, statistics.fmean(is_flagged for _, is_flagged in flagged)),
        Row(set, "unsay", f"{measure}, held out", statistics.fmean(held_out)),
    ]


def _times(detector: LicensedDetector, texts: Sequence[str]) -> list[Row]:
    """Processor time of a check, wall-clock on an idle machine."""
    times: list[float] = []
    for text in texts:
        case = Case("x = 1\n" * 300, text, "", "python")
        began = time.thread_time()
        detector.find(case)
        times.append((time.thread_time() - began) * 1000)
    cuts = statistics.quantiles(times, n=100)
    return [
        Row("standard library", "unsay", "licensed: p50 ms", cuts[49]),
        Row("standard library", "unsay", "licensed: p95 ms", cuts[94]),
    ]
