"""The deprecated names that hold for a workspace: the shipped table and what its packages say.

A child process reads the packages' sources in the background; until it has, the table alone answers
for the standard library, and third-party names wait for their package's version.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from server.guard.api_table import Deprecation, table_rows

ROOT = str(Path(__file__).parents[2])
MOST_BASES = 5
"""How far up a class is followed to the one that owns a member."""
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); from server.guard.api_worker import main;"
    " main(*sys.argv[2:])"
)


class ApiIndex:
    """Looks up full names; filled by `start`, readable at any time."""

    def __init__(self, python: str | None, cache: Path | None) -> None:
        self._python = python or ""
        self._cache = str(cache) if cache else ""
        self._by_path: dict[str, Deprecation] = {}
        self._arguments: dict[str, dict[str, Deprecation]] = {}
        self._roots: dict[str, set[str]] = {}
        self._owners: set[str] = set()
        self._returns: dict[str, str] = {}
        self._bases: dict[str, str] = {}
        self._state = "the index of the workspace's packages has not been started"
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: Thread | None = None
        self._asked: set[str] = set()
        self._asking = Lock()
        if python is None:
            self.add_table("", ".".join(map(str, sys.version_info[:3])))

    @property
    def roots(self) -> Mapping[str, set[str]]:
        """The last part of every known name, and every known argument, with the packages it is in.

        A suggestion without any of them needs no parsing.
        """
        return self._roots

    def get(self, path: str) -> Deprecation | None:
        """What is known about the full name `path`, which a base class may own."""
        for _ in range(MOST_BASES):
            known = self._by_path.get(path)
            if known is not None:
                return known
            owner, _, last = path.rpartition(".")
            base = self._bases.get(owner)
            if base is None:
                return None
            path = f"{base}.{last}"
        return None

    def arguments(self, path: str) -> Mapping[str, Deprecation]:
        """The deprecated keywords of the function or class `path`."""
        return self._arguments.get(path, {})

    def returned(self, path: str) -> str | None:
        """The class that calling `path` gives an instance of, where the index knows one."""
        if path in self._returns:
            return self._returns[path]
        return path if path in self._owners or path in self._bases else None

    def status(self) -> str:
        """`ok`, or what is missing."""
        return self._state

    def start(self) -> None:
        """Begin to read the workspace's packages, in a child process of low priority."""
        self._state = "the index of the workspace's packages is being built"
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-c", _CHILD, ROOT, self._python, self._cache],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self._state = f"the index of the workspace's packages cannot be built: {error.strerror}"
            return
        self._reader = Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

    def want(self, modules: Iterable[str]) -> None:
        """Index these top-level modules next: an open file imports them."""
        new = set(modules) - self._asked
        child = self._child
        if not new or child is None or child.stdin is None or self._state == "ok":
            return
        with self._asking, contextlib.suppress(OSError, ValueError):  # the child may have ended
            self._asked |= new
            child.stdin.write("".join(f"{name}\n" for name in sorted(new)).encode())
            child.stdin.flush()

    def wait(self, seconds: float) -> bool:
        """Whether the index is complete, after waiting at most `seconds`."""
        if self._reader is not None:
            self._reader.join(seconds)
        return self._state == "ok"

    def close(self) -> None:
        """End the child, if it still runs."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        if self._reader is not None:
            self._reader.join()
        if self._child is not None and self._child.stdin is not None:
            with self._asking, contextlib.suppress(OSError):
                self._child.stdin.close()
        self._child = self._reader = None

    def add_package(self, said: Mapping[str, Any]) -> None:
        """Take in what api_worker says of one package."""
        name, version = said["package"], said["version"]
        package = f"{'Python' if name == 'python' else name} {version}"
        for api in said["apis"]:
            owner = api["name"].rpartition(".")[0]
            for path in api["public"]:
                use = api["use"]
                if use is not None and use.rpartition(".")[0] == owner:
                    use = f"{path.rpartition('.')[0]}.{use.rpartition('.')[2]}"
                self._add(
                    Deprecation(
                        path,
                        package,
                        api["text"],
                        use if use != path else None,
                        api["is_drop_in"],
                        argument=api["argument"],
                        is_constructor=api["is_constructor"],
                    )
                )
        self._returns |= said["returns"]
        self._bases |= said["bases"]

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        read, count = 0, 0
        with child.stdout:
            for line in child.stdout:
                said: dict[str, Any] = json.loads(line)
                if "error" in said:
                    self._state = (
                        f"{said['error']}: set guard.python to the workspace's interpreter"
                    )
                elif "packages" in said:
                    count = len(said["packages"]) + 1
                    self.add_table("", said["python"])
                    for name, version in said["packages"].items():
                        self.add_table(name, version)
                elif "apis" in said:
                    self.add_package(said)
                    read += 1
                    self._state = (
                        "the index of the workspace's packages is being built:"
                        f" {read} of {count} packages are read"
                    )
                elif "done" in said:
                    self._state = "ok"
        child.wait()
        if "is being built" in self._state:
            self._state = (
                "the index of the workspace's packages stopped early; start the server again"
            )

    def add_table(self, distribution: str, version: str) -> None:
        """Take in what the shipped table says of a distribution; '' is the standard library."""
        for row in table_rows(distribution, version):
            self._add(row)

    def _add(self, new: Deprecation) -> None:
        """Enter a name, unless the table, which names successors better, has it already."""
        root, _, rest = new.path.partition(".")
        if new.argument is not None:
            self._arguments.setdefault(new.path, {}).setdefault(new.argument, new)
        else:
            known = self._by_path.setdefault(new.path, new)
            if known.use is None and new.use is not None and not known.is_removed:
                self._by_path[new.path] = new
        owner = new.path.rpartition(".")[0]
        if owner and "." in owner:
            self._owners.add(owner)
        last = new.argument or (rest.rpartition(".")[2] if rest else root)
        self._roots.setdefault(last, set()).add(root)
