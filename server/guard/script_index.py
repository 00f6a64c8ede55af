"""What the declaration files of a workspace's node_modules deprecate, asked for by open files."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock, Thread
from typing import Any

ROOT = str(Path(__file__).parents[2])
MOST_BASES = 40
"""How many interfaces above one are looked at for a member."""
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    " from server.guard.script_worker import main; main()"
)


@dataclass(frozen=True)
class ScriptModule:
    """What one module of a workspace deprecates; `` is what is known without an import."""

    package: str
    deprecated: Mapping[str, str]
    """Paths (`exists`, `Stats.foo`, `Buffer.constructor`) with what is said about them."""
    types: Mapping[str, str]
    bases: Mapping[str, list[str]]
    last_names: frozenset[str] = field(default_factory=frozenset[str])

    def get(self, path: str) -> tuple[str, str] | None:
        """The declared path and the text of a deprecated member, which a base may own."""
        owner, _, last = path.rpartition(".")
        above, seen = deque([owner]), 0
        while above and seen < MOST_BASES:
            seen += 1
            one = above.popleft()
            found = f"{one}.{last}" if one else last
            if found in self.deprecated:
                return found, self.deprecated[found]
            above.extend(self.bases.get(one, ()))
        return None


class ScriptIndex:
    """Answers at once with what is known, and asks a child for the rest."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], ScriptModule] = {}
        self._asked: set[tuple[str, str]] = set()
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: Thread | None = None
        self._asking = Lock()
        self._has_failed = False

    def modules(self, path: str | None, specifiers: Iterable[str]) -> dict[str, ScriptModule]:
        """What is known by now of the modules that a file imports."""
        root = workspace_root(path) if path else None
        if root is None:
            return {}
        found: dict[str, ScriptModule] = {}
        for specifier in specifiers:
            known = self._known.get((root, specifier))
            if known is not None:
                found[specifier] = known
            elif (root, specifier) not in self._asked:
                self._ask(root, specifier)
        return found

    def status(self) -> str:
        """`ok`, or what is missing."""
        if self._has_failed:
            return "the reader of node_modules stopped; start the server again"
        return "ok"

    def wait(self, seconds: float) -> bool:
        """Whether all that was asked for is known, after at most `seconds`."""
        deadline = time.monotonic() + seconds
        while not set(self._known) >= self._asked and not self._has_failed:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        return set(self._known) >= self._asked

    def close(self) -> None:
        """End the child, if one runs."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            if self._child.stdin is not None:
                with contextlib.suppress(OSError):
                    self._child.stdin.close()
        if self._reader is not None:
            self._reader.join()
        self._child = self._reader = None

    def _ask(self, root: str, specifier: str) -> None:
        with self._asking:
            self._asked.add((root, specifier))
            try:
                if self._child is None:
                    self._start()
                assert self._child is not None and self._child.stdin is not None
                line = json.dumps({"root": root, "specifier": specifier})
                self._child.stdin.write(line.encode() + b"\n")
                self._child.stdin.flush()
            except OSError:
                self._has_failed = True

    def _start(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-c", _CHILD, ROOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                said: dict[str, Any] = json.loads(line)
                self._known[said["root"], said["specifier"]] = ScriptModule(
                    said["package"],
                    said["deprecated"],
                    said["types"],
                    said["bases"],
                    frozenset(_last_names(said["deprecated"])),
                )
        self._has_failed = child.wait() != 0


@lru_cache(maxsize=256)
def workspace_root(path: str) -> str | None:
    """The nearest folder above a file that has a node_modules; None without one."""
    file = Path(path)
    if not file.is_absolute():
        return None
    for folder in file.parents:
        if (folder / "node_modules").is_dir():
            return str(folder)
    return None


def _last_names(paths: Iterable[str]) -> Iterable[str]:
    for path in paths:
        owner, _, last = path.rpartition(".")
        yield (
            owner.rpartition(".")[2].removesuffix("Constructor") if last == "constructor" else last
        )
