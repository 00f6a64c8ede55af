"""Emacs with eglot: no ghost text, no snippets, UTF-16 positions; the plainest of clients."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from editors.installation import new_installation, serving
from editors.toolbox import clean_environment, need
from tiny_model import FILES

pytestmark = [pytest.mark.editor, pytest.mark.slow]

LIMIT_S = 90.0


def test_completion_inserts_the_suggestion_and_unsaying_it_ends_it(
    tiny_model: Path, tmp_path: Path
) -> None:
    need("emacs")
    prefix, known, _ = FILES["mean"]
    script = Path(__file__).parent / "editors" / "eglot.el"
    file = tmp_path / "mean.py"
    file.touch()

    with serving(new_installation(tmp_path / "home", tiny_model)) as unsay:
        batch = ("emacs", "--batch", "-q", "--eval", "(package-initialize)", "-l", str(script))
        emacs = subprocess.run(
            (*batch, "--", sys.executable, str(file), prefix),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env=clean_environment(UNSAY_HOME=str(unsay.home), HOME=str(tmp_path)),
        )
        items = unsay.ledger()

    assert emacs.returncode == 0, emacs.stderr
    said = json.loads(emacs.stdout.splitlines()[-1])  # before it, the bell
    assert said["first"] == known
    assert known not in said["again"]
    assert [(item["kind"], item["state"]) for item in items] == [("user", "banned")]
