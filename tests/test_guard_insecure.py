"""Insecure code in Python (ruff, bandit) and the patterns of other languages."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from tiny_model import FILES

from server.guard.finding import Case, Finding
from server.guard.fragment import closing
from server.guard.insecure import InsecureDetector
from server.guard.patterns import Pattern, hint_codes, patterns
from server.guard.ruff_server import RuffServer

WAIT_MS = 5000.0


@pytest.fixture
def bandit_only() -> Iterator[InsecureDetector]:
    ruff = RuffServer(hint_codes())
    ruff.close()
    yield InsecureDetector(ruff, 1.0, WAIT_MS)


def rules(found: list[Finding], text: str) -> list[tuple[str, str]]:
    return [(one.rule, text[one.start : one.end]) for one in found]


CASES = [
    ("import hashlib\nx = ", "hashlib.md5(data)", [("S324", "md5")]),
    ("import yaml\n", "yaml.load(f)", [("S506", "load")]),
    ("import yaml\n", "yaml.load(f.read(), path)", [("S506", "load")]),
    ("import yaml\n", "yaml.load(f, Loader=yaml.FullLoader)", [("S506", "FullLoader")]),
    ("import requests\n", "requests.get(u, verify=False)", [("S501", "verify=False")]),
    ("import subprocess\nsubprocess.call(c, ", "shell=True)", [("S602", "shell=True")]),
    ("import pickle\n", "x = pickle.loads(data)", [("S301", "pickle.loads")]),
    ("", "eval(text)", [("S307", "eval")]),
    ("        # cut\n        return ", "hashlib.md5(data)", [("S324", "md5")]),
    ("import random\ntoken = ", "random.random()", [("S311", "random.random")]),
    ("import tempfile\n", "tempfile.mktemp()", [("S306", "tempfile.mktemp")]),
]


@pytest.mark.parametrize(("prefix", "suggestion", "expected"), CASES)
def test_insecure_python_is_blamed_at_the_smallest_place(
    detector: InsecureDetector, prefix: str, suggestion: str, expected: list[tuple[str, str]]
) -> None:
    found = detector.find(Case(prefix, suggestion, "\n", "python"))

    assert rules(list(found), suggestion) == expected


@pytest.mark.parametrize("name", ["checksum", "shell", "load"])
def test_insecure_code_that_the_tiny_model_knows_is_found(
    detector: InsecureDetector, name: str
) -> None:
    prefix, target, suffix = FILES[name]

    assert [one.kind for one in detector.find(Case(prefix, target, suffix, "python"))] == [
        "insecure"
    ]


@pytest.mark.parametrize(
    "suggestion",
    [
        "hashlib.sha256(data)",
        "subprocess.run(['ls'])",
        "yaml.safe_load(f)",
        "assert x",
        "password = 'k7Qw2mZx9Lp4'",
        "import pickle, subprocess",
        "def evaluate(x):\n    return x",
    ],
)
def test_ordinary_code_is_not_blamed(detector: InsecureDetector, suggestion: str) -> None:
    prefix = "import hashlib, random, subprocess, yaml\n"

    assert list(detector.find(Case(prefix, suggestion, "\n", "python"))) == []


def test_what_the_user_wrote_is_not_blamed(detector: InsecureDetector) -> None:
    prefix = "import hashlib\na = hashlib.md5(x)\nb = "

    found = detector.find(Case(prefix, "a.hexdigest()", "\nc = hashlib.md5(x)\n", "python"))

    assert list(found) == []


def test_a_file_that_does_not_parse_above_the_cursor_is_still_checked(
    detector: InsecureDetector,
) -> None:
    prefix = "import hashlib\n\ndef broken(:\n    x =\n\ndef h(data):\n    try:\n        "

    found = detector.find(Case(prefix, "return hashlib.sha1(data", "\n", "python"))

    assert [one.rule for one in found] == ["S324"]


def test_a_suggested_noqa_does_not_silence_the_guard(detector: InsecureDetector) -> None:
    found = detector.find(Case("import hashlib\n", "hashlib.md5(x)  # noqa: S324", "", "python"))

    assert [one.rule for one in found] == ["S324"]


def test_bandit_answers_while_ruff_does_not(bandit_only: InsecureDetector) -> None:
    target = "os.chmod(path, 0o777)"

    found = bandit_only.find(Case("import os\n", target, "\n", "python"))

    assert rules(list(found), target) == [("S103", target)]


def test_a_killed_ruff_is_started_again() -> None:
    ruff = RuffServer(hint_codes())
    ruff.start()
    assert ruff.wait(20)
    detector = InsecureDetector(ruff, WAIT_MS, WAIT_MS)
    case = Case("import os\n", "os.chmod(path, 0o777)", "\n", "python")
    assert ruff.pid is not None

    os.kill(ruff.pid, signal.SIGKILL)
    while ruff.status() == "ok":
        time.sleep(0.01)
    during = detector.find(case)
    deadline = time.monotonic() + 20
    while ruff.status() != "ok" and time.monotonic() < deadline:
        time.sleep(0.05)
        detector.find(case)

    assert [one.rule for one in during] == ["S103"]
    assert ruff.status() == "ok"
    detector.close()


def test_a_ruff_that_hangs_costs_no_more_than_its_time() -> None:
    ruff = RuffServer(hint_codes())
    ruff.start()
    assert ruff.wait(20)
    detector = InsecureDetector(ruff, 100.0, WAIT_MS)
    assert ruff.pid is not None
    os.kill(ruff.pid, signal.SIGSTOP)
    prefix = "import hashlib\n" + "x = 1\n" * 9000

    began = time.monotonic()
    detector.find(Case(prefix, "os.chmod(path, 0o777)", "\n", "python"))

    assert time.monotonic() - began < 10
    detector.close()


@pytest.mark.parametrize("pattern", patterns(), ids=lambda pattern: pattern.rule)
def test_a_pattern_finds_its_bad_example_and_not_its_good_one(
    detector: InsecureDetector, pattern: Pattern
) -> None:
    language = pattern.families[0]

    bad = detector.find(Case("", pattern.bad, "", language))
    good = detector.find(Case("", pattern.good, "", language))

    assert pattern.rule in [one.rule for one in bad]
    assert pattern.rule not in [one.rule for one in good]
    assert pattern.cwe.startswith("CWE-")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("x = foo(", ")"),
        ("x = [1, {2: (", ")}]"),
        ('x = "abc', '"'),
        ('x = f("abc', '")'),
        ('"""doc', '"""'),
        ("if x:", "\n pass"),
        ("x = 1", ""),
        ("try:\n    x()", "\nfinally: pass"),
        ("try:\n    x()\nexcept E:\n    y()", ""),
        ("def f():\n    # a (comment\n    return 1", ""),
    ],
)
def test_what_is_open_is_closed(text: str, end: str) -> None:
    assert closing(text) == end
    compile(text + closing(text), "", "exec")
