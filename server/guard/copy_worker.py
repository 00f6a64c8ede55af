"""The child process that fingerprints the installed packages and writes the index of a workspace.

Prints one JSON object a line: `{"read", "of"}` while it goes on, last `{"index"}`, or `{"error"}`.
It runs at the lowest priority. A package's fingerprints are kept in the cache by its version.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.guard.api_environment import ASK, ASK_SECONDS
from server.guard.copy_sources import Package, javascript_packages, python_packages
from server.guard.licences import RANK, terms
from server.guard.winnow import GRAM_TOKENS, WINDOW_GRAMS, grams, tokens, winnowed

FORMAT = f"2 {GRAM_TOKENS} {WINDOW_GRAMS}"
"""Changes when fingerprints would come out differently."""
MOST_PACKAGES = 5
"""What stands in more of them is boilerplate: no one's in particular. Files are not counted: some
packages repeat their own code in dozens."""
KEPT_INDEXES = 6
_KEEP = "copies-"
_INDEX = "copied-"
Pairs = NDArray[np.uint64]
"""Each a fingerprint, shifted left by 32 bits, and the number of a file."""


@dataclass(frozen=True)
class Part:
    """The fingerprints of one package."""

    package: Package
    files: list[str]
    pairs: Pairs


def main(python: str, folder: str, *roots: str) -> None:
    """Index the packages of `python` ('' for this one) and below `roots` into `folder`."""
    if hasattr(os, "nice"):
        os.nice(15)
    for line in index_copies(
        python or sys.executable, Path(folder), [Path(root) for root in roots]
    ):
        print(json.dumps(line), flush=True)


def index_copies(python: str, folder: Path, roots: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """What `main` prints, as dictionaries."""
    try:
        answer = subprocess.run(
            [python, "-I", "-c", ASK],
            capture_output=True, timeout=ASK_SECONDS, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        sites: list[str] = json.loads(answer.stdout)["sites"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        yield {"error": f"{python} cannot be asked for its packages ({type(error).__name__})"}
        return
    packages = [*python_packages(sites), *javascript_packages(roots)]
    # Of several packages with the same code, the one that asks least of a copier is named.
    packages.sort(key=lambda one: (RANK[terms(one.licence)], one.name))
    stem = folder / f"{_INDEX}{_digest(*map(_key, packages))}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not stem.with_suffix(".json").is_file():
            parts: list[Part] = []
            for number, package in enumerate(packages):
                yield {"read": number, "of": len(packages)}
                parts.append(part_of(package, folder))
            _write_index(parts, stem)
            _remove_old(folder)
        os.utime(stem.with_suffix(".json"))
    except OSError as error:
        yield {"error": f"the folder of the cache cannot be written ({error.strerror})"}
        return
    yield {"index": str(stem)}


def part_of(package: Package, folder: Path) -> Part:
    """The fingerprints of a package, from the cache if they are there."""
    name = re.sub(r"[^\w.-]", "_", f"{package.name}-{package.version}")[:80]
    path = folder / f"{_KEEP}{name}-{_key(package)}.npz"
    with suppress(OSError, ValueError, KeyError):
        with np.load(path) as kept:
            runs, numbers = kept["runs"].astype(np.uint64), kept["numbers"].astype(np.uint64)
            files = bytes(kept["files"]).decode().split("\n")
        if len(runs) == len(numbers) and (not len(numbers) or int(numbers.max()) < len(files)):
            return Part(package, files, (runs << np.uint64(32)) | numbers)
    part = _read(package)
    with suppress(OSError):  # a full disk costs time, not the index
        partial = path.with_suffix(f".{os.getpid()}")
        with partial.open("wb") as file:
            np.savez(
                file,
                runs=(part.pairs >> np.uint64(32)).astype(np.uint32),
                numbers=part.pairs.astype(np.uint16),
                files=np.frombuffer("\n".join(part.files).encode(), np.uint8),
            )
        partial.replace(path)
    return part


def common_left_out(parts: Sequence[Pairs]) -> Pairs:
    """The fingerprints of all packages, each once, in order, with the first of its files.

    Each part holds a fingerprint once; those in too many parts are left out.
    """
    pairs = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)
    firsts = _firsts(pairs)
    packages = np.diff(np.concatenate((firsts, [len(pairs)])))
    return pairs[firsts[packages <= MOST_PACKAGES]]


def _read(package: Package) -> Part:
    files, found = list[str](), list[Pairs]()
    for file, text in package.sources():
        runs = winnowed(grams(tokens(text).hashes)).astype(np.uint64)
        if len(runs):
            found.append((runs << np.uint64(32)) | np.uint64(len(files)))
            files.append(file.replace("\n", " "))
    pairs = np.sort(np.concatenate(found)) if found else np.zeros(0, np.uint64)
    return Part(package, files, pairs[_firsts(pairs)])


def _firsts(pairs: Pairs) -> NDArray[np.intp]:
    """Where in sorted pairs each fingerprint stands first."""
    runs = pairs >> np.uint64(32)
    return np.flatnonzero(np.concatenate(([True], runs[1:] != runs[:-1])))[: len(pairs)]


def _write_index(parts: Sequence[Part], stem: Path) -> None:
    """Both files of an index; the second to appear says that it is whole."""
    said: list[dict[str, Any]] = []
    numbered: list[Pairs] = []
    count = 0
    for part in parts:
        numbered.append(part.pairs + np.uint64(count))
        package = part.package
        said.append(
            {
                "name": package.name,
                "version": package.version,
                "licence": package.licence,
                "first": count,
                "files": "\n".join(part.files),
            }
        )
        count += len(part.files)
    pairs = common_left_out(numbered)
    table = np.stack([(pairs >> np.uint64(32)).astype(np.uint32), pairs.astype(np.uint32)])
    partial = stem.with_suffix(f".{os.getpid()}")
    with partial.open("wb") as file:
        np.save(file, table)
    partial.replace(stem.with_suffix(".npy"))
    partial.write_text(json.dumps(said), encoding="utf-8")
    partial.replace(stem.with_suffix(".json"))


def _remove_old(folder: Path) -> None:
    """Keep the indexes used last; one that a server has open may stay until the next time."""
    files = sorted(folder.glob(f"{_INDEX}*.json"), key=lambda path: -path.stat().st_mtime)
    for old in files[KEPT_INDEXES:]:
        with suppress(OSError):
            old.unlink()
            old.with_suffix(".npy").unlink()


def _key(package: Package) -> str:
    return _digest(package.name, package.version, package.licence, package.digest)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join((FORMAT, *texts)).encode()).hexdigest()[:16]
