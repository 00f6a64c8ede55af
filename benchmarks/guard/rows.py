"""A figure of the guard's benchmark, and where the labelled data lies."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Where the sets come from; their READMEs say how they were made.
ORIGINS = {
    "cyberseceval": "autocomplete.jsonl.gz: CyberSecEval's autocomplete set of "
    "github.com/meta-llama/PurpleLlama (MIT), as JSON lines",
    "deprecated-python": "names.jsonl and cases.jsonl: names that installed packages deprecate, "
    "and uses of them",
    "secrets-creddata-windows": "windows.jsonl: 20-line windows around the labels of "
    "github.com/Samsung/CredData (Apache-2.0), obfuscated by its own procedure",
    "secrets-provider-tokens": "tokens.jsonl: fake tokens generated from the rules of "
    "github.com/gitleaks/gitleaks (MIT), and the strings its rules list as no secrets",
}


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    set: str
    """What it was measured on."""
    tool: str
    """`unsay`, or a peer with its version."""
    measure: str
    value: float


def data(set: str, file: str) -> Path:
    """The file of a labelled set; ends the program saying what to get if it is not there."""
    folder = Path(os.environ.get("UNSAY_BENCH_DATA", ROOT.parent / "shared" / "data"))
    path = folder / set / file
    if not path.is_file():
        sys.exit(f"{path} is not there. Get {ORIGINS[set]}; UNSAY_BENCH_DATA names the folder.")
    return path


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file, gzipped or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def is_for_development(source: str) -> bool:
    """Whether rows from `source` (a file, a project) may be looked at while rules are written.

    A third of the sources, by hash. What is measured on the others alone stands beside it.
    """
    return sha256(source.encode()).digest()[0] < 85
