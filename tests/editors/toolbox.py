"""Where `make editors` puts the editors, and what a test does where they are missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "editors"
NODE = BUILD / "bin" / "node"
NEOVIM = BUILD / "bin" / "nvim"
CODE_SERVER = BUILD / "code-server" / "node_modules" / "code-server" / "out" / "node" / "entry.js"
EXTENSION = ROOT / "vscode-extension"
PLAYWRIGHT = ROOT / "tests" / "editors" / "node_modules" / "playwright-core"


def need(*tools: Path | str) -> None:
    """Skip the test where a tool is missing; fail it under CI, where all must be there."""
    missing = [
        str(tool) for tool in tools if shutil.which(tool) is None and not Path(tool).exists()
    ]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"run `make editors` before the tests: {', '.join(missing)} missing")
    if missing:
        pytest.skip(f"run `make editors`: {', '.join(missing)} missing")


def clean_environment(**given: str) -> Mapping[str, str]:
    """The environment less what would lead Unsay, Python or Node elsewhere, plus `given`."""
    astray = ("UNSAY_", "PYTHON", "NODE_", "npm_", "VSCODE_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(astray)}
    return {
        **kept,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}",
        **given,
    }
