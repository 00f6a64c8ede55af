"""`unsay bench` on a small real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import unsay

MEASURES = [
    "cold, first token",
    "cold, 4 tokens",
    "typing, first token",
    "typing, 4 tokens",
    "typing, 3 alternatives",
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSAY_HOME", str(tmp_path / "home"))


def bench(model: Path, *options: str) -> int:
    given = ["--model", str(model), "--device", "cpu", "--threads", "1", "--places", "2"]
    return unsay.main(["bench", *given, "--max-tokens", "4", *options])


def test_bench_prints_one_table(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tiny_model) == 0

    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line[:26].strip() for line in lines[1:6]] == MEASURES
    assert lines[6].startswith("loading") and lines[7].startswith("1 threads, ")
    assert said.err.startswith(f"{tiny_model} on cpu")


def test_bench_as_json_holds_the_same(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tiny_model, "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert [row["measure"] for row in found["rows"]] == MEASURES
    assert all(0 < row["p50_ms"] <= row["worst_ms"] for row in found["rows"])
    assert {row["requests"] for row in found["rows"]} == {2}
    assert (found["device"], found["threads"]) == ("cpu", 1)


def test_bench_of_a_model_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path / "nowhere") == 1

    assert capsys.readouterr().err.startswith("unsay: there is no folder")
