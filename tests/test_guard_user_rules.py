"""Rules that a person writes, and rules that a person lets pass."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

import unsay
from server.guard.allow_list import AllowList, pattern_of
from server.guard.config import GuardConfig
from server.guard.errors import BadAllowList
from server.guard.finding import Case, Finding
from server.guard.guard import Guard
from server.guard.user_rules import UserRules

RULE = """\
[no-print]
languages = ["python"]
cwe = "CWE-532"
severity = "low"
pattern = '\\b(print)\\('
message = "print is not for our services; use the log."
replacement = "log.info"
bad = 'print("done")'
good = 'log.info("done")'
"""


def written(folder: Path, text: str, name: str = "ours.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_a_rule_file_in_the_home_finds_its_pattern_with_span_and_replacement(
    tmp_path: Path,
) -> None:
    rules = UserRules(written(tmp_path, RULE))

    found = rules.find(Case("x = 1\n", 'print("hé")\nlog.info("b")', "", "python"))

    assert list(found) == [
        Finding(
            "insecure",
            "no-print",
            "CWE-532",
            0,
            5,
            "print is not for our services; use the log.",
            "log.info",
            "low",
        )
    ]
    assert rules.status() == "ok"


@pytest.mark.parametrize(
    ("prefix", "suggestion", "suffix", "language"),
    [
        ('print("theirs")\n', "x = 1", "", "python"),
        ("", "x = 1", '\nprint("theirs")', "python"),
        ("", 'print("x")', "", "javascript"),
        ("", 'sprint("x")', "", "python"),
        ("", "", "", "python"),
    ],
)
def test_a_rule_keeps_quiet_elsewhere(
    tmp_path: Path, prefix: str, suggestion: str, suffix: str, language: str
) -> None:
    rules = UserRules(written(tmp_path, RULE))

    assert rules.find(Case(prefix, suggestion, suffix, language)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("bad = 'print(\"done\")'", "bad = 'log()'"), "its bad example is not found"),
        (("good = 'log.info(\"done\")'", "good = 'print(1)'"), "its good example is found"),
        (("\\b(print)\\(", "(?=print)"), "'pattern' is no RE2 expression"),
        (('severity = "low"', 'severity = "grave"'), "'severity' must be low, medium or high"),
        (("cwe = ", "cve = "), "'cve' is no field"),
        (('languages = ["python"]', 'languages = "python"'), "'languages' must be a list"),
        (("[no-print]", "[no-print"), "is not used: "),
    ],
)
def test_a_rule_that_cannot_be_trusted_is_refused_with_a_sentence(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    assert change[0] in RULE
    rules = UserRules(written(tmp_path, RULE.replace(*change)))

    found = rules.find(Case("", "print(1)", "", "python"))

    assert found == []
    assert said in rules.status() and str(tmp_path / "ours.toml") in rules.status()


def test_one_bad_rule_does_not_take_the_others_along(tmp_path: Path) -> None:
    bad = RULE.replace("no-print", "never-right").replace("bad = 'print", "bad = 'prin")
    rules = UserRules(written(tmp_path, RULE + bad))

    found = rules.find(Case("", "print(1)", "", "python"))

    assert [one.rule for one in found] == ["no-print"]
    assert rules.status().startswith("Rule 'never-right' of ")


def test_a_workspace_has_rules_of_its_own(tmp_path: Path) -> None:
    written(tmp_path / "app" / ".unsay" / "rules", RULE)
    guard = Guard(GuardConfig(index_packages=False))

    inside = Case("", "print(1)", "", "python", "a.py", str(tmp_path / "app"))
    outside = Case("", "print(1)", "", "python", "a.py", str(tmp_path))

    assert [one.rule for one in guard.check(inside)] == ["no-print"]
    assert guard.check(outside) == []
    assert guard.review(inside).marks[0].rule == "no-print"
    guard.close()


def test_a_changed_rule_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.guard.user_rules.LOOK_AGAIN_S", 0.0)
    rules = UserRules(written(tmp_path, RULE))
    case = Case("", "print(1)", "", "python")
    before = rules.find(case)

    written(tmp_path, RULE.replace("print", "puts"))
    os.utime(tmp_path / "ours.toml", ns=(time.time_ns(), time.time_ns() + 1))

    assert (len(before), rules.find(case)) == (1, [])


def test_an_expression_that_blows_up_elsewhere_takes_linear_time(tmp_path: Path) -> None:
    bomb = RULE.replace("\\b(print)\\(", "(a|aa|a?)+x").replace(
        "bad = 'print(\"done\")'", "bad = 'ax'"
    )
    rules = UserRules(written(tmp_path, bomb))
    began = time.process_time()

    rules.find(Case("", "a" * 1_000_000, "", "python"))

    assert rules.status() == "ok"
    assert time.process_time() - began < 2


def test_a_rule_survives_lone_surrogates(tmp_path: Path) -> None:
    rules = UserRules(written(tmp_path, RULE))

    [found] = rules.find(Case("", "\ud800\udfff print(1)", "", "python"))

    assert (found.start, found.end) == (3, 8)


def case(path: str, workspace: str | None = None) -> Case:
    return Case("", "", "", "python", path, workspace)


def test_a_rule_is_allowed_in_a_folder_or_anywhere_and_taken_back(tmp_path: Path) -> None:
    allowed = AllowList(tmp_path / "allow.toml")

    allowed.add("S324", pattern_of("/work/[app]"))
    allowed.add("S301")
    other = AllowList(tmp_path / "allow.toml")

    assert other.rules_for(case("a/b.py", "/work/[app]")) == {"S301", "S324"}
    assert other.rules_for(case("b.py", "/work/a")) == {"S301"}
    allowed.remove("S301")
    assert other.rules_for(case("b.py")) == frozenset()
    with pytest.raises(BadAllowList, match="unsay allow"):
        allowed.remove("S301")


def test_a_damaged_list_allows_nothing_new_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "allow.toml"
    allowed = AllowList(file)
    allowed.add("S324")

    file.write_text('"*" = "S301"')

    assert allowed.rules_for(case("a.py")) == {"S324"}
    assert "'*' needs a list of rules" in allowed.status()
    with pytest.raises(BadAllowList):
        allowed.add("S301")
    assert file.read_text() == '"*" = "S301"'


@pytest.mark.parametrize("rule", ["", 'a"b', "a\nb", "a" * 201])
def test_what_is_no_rule_is_not_written(tmp_path: Path, rule: str) -> None:
    with pytest.raises(BadAllowList):
        AllowList(tmp_path / "allow.toml").add(rule)


def test_the_command_allows_lists_and_takes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNSAY_HOME", str(tmp_path))

    assert unsay.main(["allow", "S324", "--in", "/work/app"]) == 0
    assert unsay.main(["allow", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert unsay.main(["allow", "S324", "--in", "/work/app", "--remove"]) == 0
    assert unsay.main(["allow", "S324", "--remove"]) == 1

    assert listed == {"/work/app/*": ["S324"]}
    assert "unsay allow" in capsys.readouterr().err
