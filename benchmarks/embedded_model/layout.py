"""Where the recipe keeps its files, and the constants that several steps share."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "model"
WHEELS = BUILD / "wheels"
CORPUS = BUILD / "corpus"
TOKENIZER = BUILD / "tokenizer"
PACKED = BUILD / "packed"
RUNS = BUILD / "runs"
EXPORT = BUILD / "export"
MODEL = ROOT / "server" / "default_model"
# What the next run is to plant; beside a model lies what it has really seen.
PLAN = BUILD / "canaries.jsonl"
RESULTS = ROOT / "benchmarks" / "results" / "model.json"

SEED = 20260
END = "<|endoftext|>"
PREFIX = "<|fim_prefix|>"
SUFFIX = "<|fim_suffix|>"
MIDDLE = "<|fim_middle|>"
PAD = "<|fim_pad|>"
FILE = "<|file_sep|>"
SPECIAL_TOKENS = (END, PREFIX, SUFFIX, MIDDLE, PAD, FILE)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file, one a line."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write `rows` as JSONL and return how many there were."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count
