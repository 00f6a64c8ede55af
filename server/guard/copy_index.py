"""Where code stands in the installed packages: a sorted table on disk, mapped into memory.

A child process of low priority makes the table (`copy_worker`); until it has, nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.guard.api_index import ROOT
from server.guard.winnow import Fingerprints

_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); from server.guard.copy_worker import main;"
    " main(*sys.argv[2:])"
)


@dataclass(frozen=True)
class Origin:
    """The file of an installed package that most of some fingerprints come from."""

    package: str
    version: str
    licence: str
    file: str
    """Relative to the folder of packages: `numpy/linalg/linalg.py`."""
    shared: int
    """How many of the fingerprints are from that file."""


@dataclass(frozen=True)
class _Table:
    runs: Fingerprints
    """Sorted."""
    files: NDArray[np.uint32]
    """For each fingerprint the number of its file."""
    packages: list[dict[str, Any]]
    firsts: list[int]
    """For each package the number of its first file."""


class CopyIndex:
    """Looks up fingerprints; filled by `start`, readable at any time."""

    def __init__(self, python: str | None, cache: Path | None, roots: Sequence[Path] = ()) -> None:
        self._python = python or ""
        self._cache = cache
        self._roots = [str(root) for root in roots]
        self._table: _Table | None = None
        self._own_folder: tempfile.TemporaryDirectory[str] | None = None
        self._state = "the index of the packages' texts has not been started"
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: Thread | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be found yet."""
        return self._table is None

    def known(self, runs: Fingerprints) -> NDArray[np.bool_]:
        """For each of `runs` whether it stands in an installed package."""
        table = self._table
        if table is None or not len(table.runs):
            return np.zeros(len(runs), np.bool_)
        return table.runs[self._places(table, runs)] == runs

    def origin(self, runs: Fingerprints) -> Origin | None:
        """The file that most of `runs`, all known, come from."""
        table = self._table
        if table is None or not len(runs):
            return None
        places = self._places(table, runs)
        files = Counter(int(file) for file in table.files[places])
        votes: Counter[int] = Counter()
        for file, count in files.items():
            votes[bisect_right(table.firsts, file) - 1] += count
        number = votes.most_common(1)[0][0]
        package, first = table.packages[number], table.firsts[number]
        names = str(package["files"]).split("\n")
        inside = [(count, -file) for file, count in files.items() if 0 <= file - first < len(names)]
        shared, file = max(inside)
        return Origin(
            package["name"], package["version"], package["licence"], names[-file - first], shared
        )

    def status(self) -> str:
        """`ok`, or what is missing."""
        return self._state

    def start(self) -> None:
        """Begin to read the packages, in a child process of low priority."""
        if self._cache is None:
            self._own_folder = tempfile.TemporaryDirectory(
                prefix="unsay-", ignore_cleanup_errors=True
            )
        folder = str(self._cache or (self._own_folder.name if self._own_folder else ""))
        self._state = "the index of the packages' texts is being built"
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-c", _CHILD, ROOT, self._python, folder, *self._roots],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self._state = f"the index of the packages' texts cannot be built: {error.strerror}"
            return
        self._reader = Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

    def wait(self, seconds: float) -> bool:
        """Whether the index is complete, after waiting at most `seconds`."""
        if self._reader is not None:
            self._reader.join(seconds)
        return self._state == "ok"

    def close(self) -> None:
        """End the child, if it still runs, and let go of the table."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        if self._reader is not None:
            self._reader.join()
        self._child = self._reader = self._table = None
        if self._own_folder is not None:
            self._own_folder.cleanup()

    @staticmethod
    def _places(table: _Table, runs: Fingerprints) -> NDArray[np.intp]:
        return np.minimum(np.searchsorted(table.runs, runs), len(table.runs) - 1)

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        state = "the index of the packages' texts stopped early; start the server again"
        with child.stdout:
            for line in child.stdout:
                said: dict[str, Any] = json.loads(line)
                if "error" in said:
                    state = f"{said['error']}: set guard.python to the workspace's interpreter"
                elif "index" in said:
                    state = self._open(Path(said["index"]))
                else:
                    self._state = (
                        "the index of the packages' texts is being built"
                        f" ({said['read']} of {said['of']} packages)"
                    )
        child.wait()
        self._state = state

    def _open(self, stem: Path) -> str:
        """Map an index; says `ok` or what is wrong with it."""
        try:
            packages: list[dict[str, Any]] = json.loads(
                stem.with_suffix(".json").read_text(encoding="utf-8")
            )
            table = np.load(stem.with_suffix(".npy"), mmap_mode="r")
            firsts = [int(package["first"]) for package in packages]
            self._table = _Table(np.asarray(table[0]), np.asarray(table[1]), packages, firsts)
        except (OSError, ValueError, KeyError, IndexError) as error:
            # the next start makes it anew
            stem.with_suffix(".json").unlink(missing_ok=True)
            return (
                f"the index of the packages' texts is damaged ({type(error).__name__}); start the"
                " server again"
            )
        return "ok"
