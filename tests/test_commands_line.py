"""The command line as a person types it: every verb, in a real process or in this one."""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

import unsay
from commands.settings import SettingsError, resolve
from server.guard.config import GuardConfig


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home that the command line uses."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "unsay.toml").write_text("[guard]\nindex_packages = false\n")
    monkeypatch.setenv("UNSAY_HOME", str(home))
    return home


@pytest.mark.parametrize("verb", unsay.VERBS)
def test_every_verb_has_a_help_with_an_example(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        unsay.main([verb, "--help"])

    assert ended.value.code == 0
    assert f"example:\n  unsay {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", unsay.VERBS)
def test_every_example_is_accepted(verb: str) -> None:
    module = importlib.import_module("commands." + unsay.module_of(verb))
    lines = [line for line in module.EXAMPLE.splitlines() if line.startswith("unsay ")]
    parser = ArgumentParser()
    module.arguments(parser)

    for line in lines:
        words = shlex.split(line.partition("      ")[0].partition(" < ")[0].partition(" > ")[0])
        parser.parse_args(words[2:])

    assert lines


def test_an_unknown_verb_is_answered_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert unsay.main(["unlearn-everything"]) == 2

    said = capsys.readouterr().err
    assert "there is no verb 'unlearn-everything'" in said
    assert all(f"  {verb} " in said for verb in unsay.VERBS)


def test_forget_bans_the_lines_and_take_back_withdraws_them(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "client.py"
    source.write_text("import os\n\nresult = eval(os.environ['X'])\nprint(result)\n")

    assert unsay.main(["forget", str(source), "--lines", "3", "--json"]) == 0
    item = json.loads(capsys.readouterr().out)
    assert (item["state"], item["kind"], item["start"], item["end"]) == ("banned", "user", 0, 30)
    assert item["preview"] == "result = eval(os.environ['X'])"

    assert unsay.main(["take-back", item["id"][:8]]) == 0
    capsys.readouterr()
    assert unsay.main(["ledger", "--state", "withdrawn", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == item["id"]


def test_an_import_with_one_bad_line_adds_nothing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "items.jsonl"
    rows.write_text('{"target": "old_call()", "prefix": "x = "}\n{"prefix": "no target"}\n')

    assert unsay.main(["ledger", "import", str(rows)]) == 2
    assert "line 2 is not an object with a text 'target'" in capsys.readouterr().err

    assert unsay.main(["ledger"]) == 0
    assert capsys.readouterr().out == ""


def test_a_secret_in_the_ledger_is_listed_without_its_text(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "items.jsonl"
    rows.write_text('{"target": "AKIAQ3EGRT7YHWPLKX2B", "prefix": "KEY = \'", "kind": "secret"}\n')

    assert unsay.main(["ledger", "import", str(rows), "--json"]) == 0

    said = capsys.readouterr().out
    assert "AKIA" in said
    assert "AKIAQ3EGRT7YHWPLKX2B" not in said


def test_the_home_of_an_unknown_option_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "unsay.toml").write_text("[guard]\nbudget = 3\n")

    settings = resolve({"UNSAY_HOME": str(home)}, home)

    with pytest.raises(SettingsError, match=r"\[guard\] has no option 'budget'; there are "):
        settings.part(GuardConfig, "guard")


def test_a_broken_configuration_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "unsay.toml").write_text("[guard\n")

    assert unsay.main(["ledger"]) == 1

    said = capsys.readouterr().err
    assert said.startswith("unsay: ") and "unsay.toml is not valid TOML" in said
    assert said.count("\n") == 1


def check(rows: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-m", "unsay", "check", *options],
        input=rows,
        capture_output=True,
        text=True,
    )


def test_check_answers_each_json_line_with_one(home: Path) -> None:
    cases = [
        {
            "id": "a",
            "language": "python",
            "path": "s.py",
            "prefix": 'KEY = "',
            "suggestion": 'AKIAQ3EGRT7YHWPLKX2B"\n',
            "suffix": "",
        },
        {"id": "b", "prefix": "x = ", "suggestion": "1 + 1\n", "suffix": ""},
    ]

    answer = check("\n".join(map(json.dumps, cases)), "--json")

    first, second = map(json.loads, answer.stdout.splitlines())
    assert answer.returncode == 1
    assert first["id"] == "a" and first["action"] in ("blocked", "patched")
    [finding] = first["findings"]
    assert (finding["kind"], finding["start"], finding["end"]) == ("secret", 0, 20)
    assert second == {"id": "b", "action": None, "text": "1 + 1\n", "findings": []}


def test_check_of_a_clean_file_is_silent_and_succeeds(home: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.py"
    clean.write_text("def add(a, b):\n    return a + b\n")

    answer = check("", str(clean))

    assert (answer.returncode, answer.stdout) == (0, "")


def test_check_names_file_line_and_column(home: Path, tmp_path: Path) -> None:
    dirty = tmp_path / "dirty.py"
    dirty.write_text("import hashlib\n\nprint(hashlib.md5(b'x').hexdigest())\n")

    answer = check("", str(dirty))

    assert answer.returncode == 1
    assert answer.stdout.startswith(f"{dirty}:3:")
    assert "CWE-328" in answer.stdout or "CWE-327" in answer.stdout
