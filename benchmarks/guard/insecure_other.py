"""Insecure code in languages other than Python: recall, ordinary code flagged, time.

The labelled line is cut out of CyberSecEval's fragments as a completion would bring it in: the text
before it is the prefix, the line to the end of its statement the suggestion. Ordinary windows are
twenty lines from files of installed packages, chosen by a seed; more languages with
UNSAY_BENCH_ORDINARY, a folder of source code. Any finding counts, low ones too.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.guard import code_shield
from benchmarks.guard.rows import ROOT, Row, data, is_for_development, json_lines
from server.guard.finding import Case, Finding
from server.guard.patterns import pattern_findings

LANGUAGES = ("c", "cpp", "csharp", "java", "javascript", "php", "rust")
ENDINGS = {
    "c": (".c",),
    "cpp": (".cpp", ".cc", ".hpp"),
    "csharp": (".cs",),
    "go": (".go",),
    "java": (".java",),
    "javascript": (".js", ".mjs", ".jsx"),
    "php": (".php",),
    "rust": (".rs",),
    "typescript": (".ts", ".tsx"),
}
WINDOW_LINES = 20
FILE_LINES = 300
WINDOWS = 600
MOST_FROM_A_FOLDER = 0.2
MOST_STATEMENT_LINES = 8
MOST_FILE_BYTES = 200_000
SEED = 4
_NOT_WRITTEN_BY_HAND = (
    "test",
    "Test",
    "spec",
    "vendor",
    ".min.",
    ".d.ts",
    "fixtures",
    "generated",
    "example",
    "/doc",
)


@dataclass(frozen=True)
class Labelled:
    """A fragment with a vulnerable line."""

    case: Case
    """The suggestion is the vulnerable statement."""
    rest: Case
    """The suggestion is the vulnerable line and all that follows it."""
    cwe: str
    is_held_out: bool


def rows() -> list[Row]:
    """What we and Code Shield's rules find, what is flagged in ordinary code, and our time."""
    examples = labelled()
    usual = {language: ordinary(language, WINDOWS) for language in ENDINGS}
    found: list[Row] = []
    for language in LANGUAGES:
        mine = [one for one in examples if one.case.language == language]
        held_out = [one.case for one in mine if one.is_held_out]
        name = f"cyberseceval {language}"
        whole = [one.case for one in mine]
        found.append(Row(name, "unsay", "recall", _share(findings, whole)))
        found.append(Row(name, "unsay", "recall, held out", _share(findings, held_out)))
        found.append(Row(name, "unsay", "recall without low", _share(warnings, whole)))
        found.append(Row(name, "unsay", "recall, to the end", _share(findings, _rests(mine))))
    for language, cases in usual.items():
        if cases:
            found += _ordinary_rows(_ordinary_name(language, cases), cases)
    return found + _peer_rows(examples, usual)


def _ordinary_rows(name: str, cases: Sequence[Case]) -> list[Row]:
    times = sorted(_milliseconds(case) for case in cases)
    return [
        Row(name, "unsay", "flagged", _share(findings, cases)),
        Row(name, "unsay", "flagged without low", _share(warnings, cases)),
        Row(name, "unsay", "ms p50", statistics.median(times)),
        Row(name, "unsay", "ms p95", times[int(0.95 * len(times))]),
    ]


def _peer_rows(examples: Sequence[Labelled], usual: dict[str, list[Case]]) -> list[Row]:
    sets = {
        (f"cyberseceval {language}", "recall"): [
            one.case for one in examples if one.case.language == language
        ]
        for language in LANGUAGES
    }
    for language in LANGUAGES:
        if usual[language]:
            sets[_ordinary_name(language, usual[language]), "flagged"] = usual[language]
    answers = iter(code_shield.flags([case for cases in sets.values() for case in cases]))
    return [
        Row(name, code_shield.NAME, measure, statistics.mean(next(answers) for _ in cases))
        for (name, measure), cases in sets.items()
    ]


def _ordinary_name(language: str, cases: Sequence[Case]) -> str:
    return f"ordinary {language} ({len(cases)} windows)"


def findings(case: Case) -> list[Finding]:
    """All that the patterns say."""
    return list(pattern_findings(case))


def warnings(case: Case) -> list[Finding]:
    """What they say with some certainty."""
    return [one for one in pattern_findings(case) if one.severity != "low"]


def labelled() -> list[Labelled]:
    """CyberSecEval's fragments but the Python ones."""
    found: list[Labelled] = []
    for row in json_lines(data("cyberseceval", "autocomplete.jsonl.gz")):
        code, line = row["origin_code"], row["line_text"]
        start = code.find(line)
        if row["language"] not in LANGUAGES or start < 0:
            continue
        end = _statement_end(code, start)
        found.append(
            Labelled(
                Case(code[:start], code[start:end], code[end:], row["language"]),
                Case(code[:start], code[start:], "", row["language"]),
                row["cwe_identifier"],
                not is_for_development(row["repo"]),
            )
        )
    return found


def ordinary(language: str, count: int) -> list[Case]:
    """Windows of installed code, each in its file: the same ones for the same installation."""
    source = random.Random(SEED)
    files = sorted(_files(language))
    source.shuffle(files)
    cases: list[Case] = []
    taken: dict[str, int] = {}
    for path in files * 3:
        project = _project(path)
        if len(cases) == count:
            break
        if taken.get(project, 0) >= MOST_FROM_A_FOLDER * count:
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        if len(lines) < 2 * WINDOW_LINES or max(map(len, lines)) > 400:
            continue
        start = source.randrange(0, len(lines) - WINDOW_LINES)
        end = start + WINDOW_LINES
        before = "".join(lines[max(0, start - FILE_LINES) : start])
        after = "".join(lines[end : end + FILE_LINES])
        cases.append(Case(before, "".join(lines[start:end]), after, language))
        taken[project] = taken.get(project, 0) + 1
    return cases


def _files(language: str) -> Iterator[Path]:
    own = os.environ.get("UNSAY_BENCH_ORDINARY")
    packages = Path(sys.prefix, "lib")
    roots = [ROOT / "vscode-extension" / "node_modules", ROOT / "build" / "editors", packages]
    for root in [*roots, Path(own)] if own else roots:
        for path in root.rglob("*") if root.is_dir() else ():
            name = str(path.relative_to(root))
            if path.suffix not in ENDINGS[language] or not path.is_file():
                continue
            is_by_hand = not any(word in name for word in _NOT_WRITTEN_BY_HAND)
            if is_by_hand and path.stat().st_size < MOST_FILE_BYTES:
                yield path


def _project(path: Path) -> str:
    """The package that a file belongs to, nearly."""
    parts = path.parts
    for folder in ("node_modules", "site-packages", "code", "gocode", "registry", "share"):
        if folder in parts:
            last = len(parts) - 1 - parts[::-1].index(folder)
            return "/".join(parts[last : last + 2])
    return "/".join(parts[:6])


def _statement_end(code: str, start: int) -> int:
    """Behind the line at `start`, or behind the lines that its brackets or its tag go on to."""
    depth, line = 0, 0
    for index in range(start, len(code)):
        letter = code[index]
        opens_value = letter == "{" and code[start:index].rstrip()[-1:] in ("=", ":", "(", ",")
        depth += letter in "([" or opens_value or (letter == "{" and depth > 0)
        depth -= letter in ")]" or (letter == "}" and depth > 0)
        if letter == "\n":
            line += 1
            said = code[start:index].strip()
            is_open = depth > 0 or (said.startswith("<") and ">" not in said)
            if said and (not is_open or line == MOST_STATEMENT_LINES):
                return index
    return len(code)


def _share(check: Callable[[Case], Sequence[Finding]], cases: Sequence[Case]) -> float:
    return sum(bool(check(case)) for case in cases) / max(1, len(cases))


def _rests(examples: Sequence[Labelled]) -> list[Case]:
    return [one.rest for one in examples]


def _milliseconds(case: Case) -> float:
    began = time.thread_time()
    findings(case)
    return 1000 * (time.thread_time() - began)


if __name__ == "__main__":
    for row in rows():
        print(f"{row.set:34} {row.tool:28} {row.measure:20} {row.value:.3f}")
