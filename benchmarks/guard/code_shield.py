"""Code Shield's rules as a peer: its regexes, and its semgrep rules by semgrep's command line.

Its own `scan_code` looks at nothing with the current semgrep, so its rule files are used.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.guard.peers import PACKAGES, ask
from server.guard.finding import Case

NAME = f"Code Shield's rules ({PACKAGES[0].split('==')[1]})"
BEFORE_CHARS = 2000
AFTER_CHARS = 1000
_PROGRAM = r"""
import json, os, re, subprocess, sys, tempfile
from pathlib import Path
import codeshield, yaml

RULES = Path(codeshield.__path__[0], "insecure_code_detector", "rules")
ENDINGS = {"c": ".c", "cpp": ".cpp", "csharp": ".cs", "java": ".java", "javascript": ".js",
           "php": ".php", "rust": ".rs", "python": ".py"}


def regexes(language):
    found = []
    for name in (language, "language_agnostic"):
        path = RULES / "regex" / (name + ".yaml")
        for row in yaml.safe_load(path.read_text()) or [] if path.is_file() else []:
            try:
                found.append(re.compile(row["rule"]))
            except re.error:
                pass
    return found


def by_semgrep(language, cases):
    rules = RULES / "semgrep" / "_generated_" / (language + "_codeshield.json")
    if not rules.is_file():
        return set()
    hits = set()
    with tempfile.TemporaryDirectory() as folder:
        for index, case in cases:
            text = case["prefix"] + case["suggestion"] + case["suffix"]
            if language == "php":
                text = "<?php " + text
            Path(folder, str(index) + ENDINGS[language]).write_text(text, errors="replace")
        done = subprocess.run(
            [str(Path(sys.executable).parent / "semgrep"), "scan", "--json", "--quiet", "--jobs=1",
             "--metrics=off", "--disable-version-check", "--no-git-ignore",
             "--config", str(rules), folder],
            capture_output=True, text=True, cwd=folder,
            env=dict(os.environ, PATH=str(Path(sys.executable).parent) + ":" + os.defpath))
        for one in json.loads(done.stdout)["results"]:
            index = int(Path(one["path"]).stem)
            case = dict(cases)[index]
            first = case["prefix"].count("\n") + 1
            last = first + case["suggestion"].rstrip("\n").count("\n")
            if one["start"]["line"] <= last and one["end"]["line"] >= first:
                hits.add(index)
    return hits


cases = list(enumerate(map(json.loads, sys.stdin)))
flagged = set()
for language in sorted({case["language"] for _, case in cases}):
    mine = [(index, case) for index, case in cases if case["language"] == language]
    patterns = regexes(language)
    for index, case in mine:
        if any(pattern.search(case["suggestion"]) for pattern in patterns):
            flagged.add(index)
    flagged |= by_semgrep(language, mine)
for index, _ in cases:
    print(json.dumps(index in flagged))
"""


def flags(cases: Sequence[Case]) -> list[bool]:
    """Whether its rules find anything in each suggestion."""
    return ask(
        _PROGRAM,
        [
            {
                "prefix": one.prefix[-BEFORE_CHARS:],
                "suggestion": one.suggestion,
                "suffix": one.suffix[:AFTER_CHARS],
                "language": one.language,
            }
            for one in cases
        ],
    )
