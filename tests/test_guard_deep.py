"""The slow second looks: bandit in the background, and semgrep where it is installed."""

from __future__ import annotations

from server.guard.bandit_scan import BanditDetector
from server.guard.deep import DeepDetector
from server.guard.finding import Case

CODE = "b = eval(first + second);"
MISSING = (
    "no deep check: semgrep must be installed beside unsay",
    "no deep check: codeshield must be installed beside unsay",
    "no deep check: semgrep and codeshield must be installed beside unsay",
)


def test_the_deep_check_finds_code_or_says_what_is_missing() -> None:
    detector = DeepDetector()

    found = detector.find(Case("function f(first, second) {\n  let ", CODE, "\n}\n", "javascript"))

    if detector.status() == "ok":
        assert all(one.kind == "insecure" and CODE[one.start : one.end] for one in found)
    else:
        assert detector.status() in MISSING
        assert list(found) == []
    detector.close()


def test_a_closed_deep_check_starts_no_child() -> None:
    detector = DeepDetector()

    detector.close()

    assert list(detector.find(Case("", CODE, "", "javascript"))) == []


def test_bandit_adds_what_needs_the_whole_call() -> None:
    suggestion = "page = jinja2.Environment(autoescape=False)"

    found = BanditDetector().find(Case("import jinja2\n", suggestion, "\n", "python"))

    assert [(one.rule, suggestion[one.start : one.end], one.replacement) for one in found] == [
        ("S701", "autoescape=False", "autoescape=True")
    ]


def test_bandit_leaves_hints_and_what_our_own_rules_decide_alone() -> None:
    suggestion = (
        "import subprocess, random, hashlib\nassert x\npassword = 'k7Qw2mZx9Lp4'\n"
        "random.random()\nsubprocess.run(['ls'])\nhashlib.md5(x)\n"
        "try:\n    f()\nexcept E:\n    pass\n"
    )

    assert list(BanditDetector().find(Case("", suggestion, "", "python"))) == []


def test_bandit_says_nothing_of_what_nobody_can_parse() -> None:
    assert list(BanditDetector().find(Case("x = (\n", "((((\x00", ")\n", "python"))) == []
