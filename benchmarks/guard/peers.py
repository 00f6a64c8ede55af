"""The peers that Unsay does not depend on, in a virtual environment of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.guard.rows import ROOT

FOLDER = ROOT / "build" / "peers"
PACKAGES = ("codeshield==1.0.1", "credsweeper==1.19.5", "semgrep==1.182.0")
# codeshield asks for an old semgrep that does not install beside this one; only its rules are used.
WITHOUT_THEIR_OWN = PACKAGES[:1]


def python() -> Path:
    """The interpreter that has the peers; the first call installs them."""
    stamp = FOLDER / "stamp"
    interpreter = FOLDER / "bin" / "python"
    wanted = "\n".join(PACKAGES)
    if stamp.is_file() and stamp.read_text() == wanted:
        return interpreter
    print("installing the peers ...", file=sys.stderr)
    venv.create(FOLDER, clear=True, with_pip=True)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", *WITHOUT_THEIR_OWN], check=True)
    subprocess.run([*pip, *PACKAGES[1:], "pyyaml"], check=True)
    stamp.write_text(wanted)
    return interpreter


def ask(program: str, cases: Sequence[object]) -> list[Any]:
    """Run the text `program` under `python()`: JSON lines in, as many JSON lines out."""
    given = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run(
        [str(python()), "-c", program], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"a peer failed: {done.stderr.strip().splitlines()[-1:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]
