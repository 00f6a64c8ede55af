"""What a person may get wrong, in a real process: one line that says what to do, an honest code."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest


def unsay(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`unsay WORDS` with its state in `home`."""
    environment = {**os.environ, "UNSAY_HOME": str(home), "OMP_NUM_THREADS": "1", **more}
    return subprocess.run(
        [sys.executable, "-I", "-m", "unsay", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


def said(answer: subprocess.CompletedProcess[str]) -> str:
    """The one line of error; no traceback."""
    [line] = [line for line in answer.stderr.splitlines() if line.startswith("unsay: ")]
    assert "Traceback" not in answer.stderr
    return line.removeprefix("unsay: ")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    answer = unsay(tmp_path / "home", "serve", "--port", "0", "--model", str(tmp_path / "gone"))

    assert answer.returncode == 1
    assert str(tmp_path / "gone") in said(answer)


def test_a_folder_that_holds_no_model_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    answer = unsay(tmp_path / "home", "serve", "--port", "0", "--model", str(tmp_path / "empty"))

    assert answer.returncode == 1
    assert "holds no config.json; give the folder of a model" in said(answer)


def test_a_port_that_is_taken_leads_to_the_option(tmp_path: Path, tiny_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        answer = unsay(tmp_path / "home", "serve", "--port", port, "--model", str(tiny_model))

    assert answer.returncode == 1
    assert "--port" in said(answer) and port in said(answer)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    answer = unsay(tmp_path / "file" / "home", "ledger")

    assert answer.returncode == 1
    assert str(tmp_path / "file") in said(answer)


@pytest.mark.parametrize("verb", ["ledger", "refresh", "serve"])
def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path, verb: str) -> None:
    home = tmp_path / "home"
    assert unsay(home, "ledger").returncode == 0
    with sqlite3.connect(home / "unsay.db") as sql:
        sql.execute("PRAGMA user_version = 9999")
    sql.close()
    before = (home / "unsay.db").read_bytes()

    answer = unsay(home, verb, *(["--port", "0"] if verb == "serve" else []))

    assert answer.returncode == 1
    assert "newer" in said(answer)
    assert (home / "unsay.db").read_bytes() == before


def test_a_lost_key_is_told_and_loses_nothing(tmp_path: Path) -> None:
    home, rows = tmp_path / "home", tmp_path / "rows.jsonl"
    rows.write_text('{"target": "old_call()", "prefix": "x = "}\n')
    assert unsay(home, "ledger", "import", str(rows)).returncode == 0
    key = (home / "key").read_bytes()
    (home / "key").unlink()

    answer = unsay(home, "ledger")

    assert answer.returncode == 1
    assert "key" in said(answer)
    (home / "key").write_bytes(key)
    assert "old_call()" in unsay(home, "ledger").stdout


def test_an_unknown_generation_is_not_promoted(tmp_path: Path) -> None:
    answer = unsay(tmp_path / "home", "promote", "g000007-12345678")

    assert answer.returncode == 1
    assert "g000007-12345678" in said(answer)


def test_up_says_why_the_server_did_not_start(tmp_path: Path) -> None:
    answer = unsay(tmp_path / "home", "up", UNSAY_MODEL=str(tmp_path / "gone"))

    assert answer.returncode == 1
    assert str(tmp_path / "gone") in said(answer)
