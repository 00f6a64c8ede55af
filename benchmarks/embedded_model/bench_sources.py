"""The texts of the model's benchmark: the packages never trained on, and some it was trained on."""

import json
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.embedded_model.clean import (
    Duplicates,
    line_signature,
    reason_to_drop,
    secret_patterns,
)
from benchmarks.embedded_model.layout import BUILD, MODEL, SEED, WHEELS, read_rows, write_rows
from benchmarks.embedded_model.sources import Package, download, read_stdlib, read_wheel

FOLDER = BUILD / "bench"
# What the model saw, 7.0 M tokens, is about this many characters.
COUNTED_CHARS = 26_000_000
# Of each training package, so that the counts come from many, as what the model saw did.
PACKAGE_CHARS = 800_000
DOWNLOADS_AT_ONCE = 2


@dataclass(frozen=True)
class Texts:
    """Files as rows of `package`, `path` and `text`."""

    held_out: list[dict[str, Any]]
    """Of packages that the model was never trained on."""
    counted: list[dict[str, Any]]
    """Of packages that it was trained on: what the n-gram model counts."""


def bench_texts() -> Texts:
    """Download what is missing and clean it as `collect` does; the second time it is read."""
    kept = FOLDER / "held_out.jsonl", FOLDER / "counted.jsonl"
    if not all(path.is_file() for path in kept):
        counted, held_out = _cleaned()
        write_rows(kept[1], counted)
        write_rows(kept[0], held_out)
    return Texts(*(list(read_rows(path)) for path in kept))


def quick_texts(files: int) -> Texts:
    """A few files of the standard library for either part: nothing is downloaded."""
    rows = list(_fresh(read_stdlib(), Duplicates(), 3 * files * 20_000))
    return Texts(rows[:files], rows[files : 3 * files])


def _cleaned() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    listed = json.loads((MODEL / "data.json").read_text(encoding="utf-8"))["packages"]
    trained = [p for p in listed if p["split"] == "train"]
    random.Random(SEED).shuffle(trained)
    seen = Duplicates()
    counted: list[dict[str, Any]] = []
    chars = 0
    for package in trained:
        fresh = list(_fresh(_package(package), seen, PACKAGE_CHARS))
        counted += fresh
        chars += sum(len(row["text"]) for row in fresh)
        print(f"counted: {package['name']}, {chars / 1e6:.1f} M characters", file=sys.stderr)
        if chars >= COUNTED_CHARS:
            break
    held_out: list[dict[str, Any]] = []
    for package in (p for p in listed if p["split"] == "heldout"):
        held_out += _fresh(_package(package), seen, sys.maxsize)
    return counted, held_out


def _package(described: dict[str, Any]) -> Package:
    if described["name"] == "python":
        return read_stdlib()
    name, version = described["name"], described["version"]
    if _wheel(name, version) is None:
        download([f"{name}=={version}"], at_once=DOWNLOADS_AT_ONCE)
    wheel = _wheel(name, version)
    package = wheel and read_wheel(wheel)
    if not package:
        sys.exit(f"no wheel of {name}=={version} could be downloaded; try again with a network")
    return package


def _wheel(name: str, version: str) -> Path | None:
    start = re.sub(r"[-_.]+", "_", name).lower()
    for path in sorted(WHEELS.glob(f"*-{version}-*.whl")):
        if re.sub(r"[-_.]+", "_", path.name.split("-")[0]).lower() == start:
            return path
    return None


def _fresh(package: Package, seen: Duplicates, chars: int) -> Iterator[dict[str, Any]]:
    """The clean files of a package that repeat no earlier one, about `chars` characters."""
    secrets = secret_patterns()
    for source in package.files:
        if reason_to_drop(source, secrets) is not None:
            continue
        mark = line_signature(source.text)
        if not seen.is_repeat(f"{source.package}/{source.path}", source.text, mark):
            yield asdict(source)
            chars -= len(source.text)
            if chars <= 0:
                return
