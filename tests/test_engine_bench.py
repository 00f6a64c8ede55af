"""The engine benchmark's result file: parts are measured one at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.engine import rows
from benchmarks.engine.rows import Row, write


def test_a_row_replaces_its_like_and_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "RESULT", tmp_path / "engine.json")
    write([Row("S", "typing", "peer", ours_ms=2.0, peer_ms=4.0), Row("S", "loading", ours_ms=9.0)])

    write([Row("S", "typing", "peer", ours_ms=1.0, peer_ms=4.0)])

    found = json.loads((tmp_path / "engine.json").read_text())["rows"]
    assert [(row["measure"], row["ours_ms"], row["ratio"]) for row in found] == [
        ("loading", 9.0, None),
        ("typing", 1.0, 0.25),
    ]
