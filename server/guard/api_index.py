"""The deprecated names that hold for a workspace: the shipped table and what its packages say.

A child process reads the packages' sources in the background; until it has, the table alone answers
for the standard library, and third-party names wait for their package's version.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any

ROOT = str(Path(__file__).parents[2])
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); from server.guard.api_worker import main;"
    " main(*sys.argv[2:])"
)


@dataclass(frozen=True)
class Deprecation:
    """One deprecated or removed name under one of its paths."""

    path: str
    package: str
    """`Python 3.11.7` or `numpy 2.4.6`."""
    text: str
    """What the package says, where nothing shorter is known."""
    use: str | None
    """The successor: a name beside it, a full name, or words."""
    is_drop_in: bool
    """The successor takes the same arguments."""
    first: str | None = None
    """An argument that the successor needs before the others."""
    attribute: str | None = None
    """What a call without arguments becomes."""
    is_constructor: bool = False
    is_removed: bool = False


class ApiIndex:
    """Looks up full names; filled by `start`, readable at any time."""

    def __init__(self, python: str | None, cache: Path | None) -> None:
        self._python = python or ""
        self._cache = str(cache) if cache else ""
        self._by_path: dict[str, Deprecation] = {}
        self._last_names: set[str] = set()
        self._table = _read_table()
        self._state = "the index of the workspace's packages has not been started"
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: Thread | None = None
        if python is None:
            self._add_table("", ".".join(map(str, sys.version_info[:3])))

    @property
    def last_names(self) -> set[str]:
        """The last part of every known name: a suggestion without any of them needs no parsing."""
        return self._last_names

    def get(self, path: str) -> Deprecation | None:
        """What is known about the full name `path`."""
        return self._by_path.get(path)

    def status(self) -> str:
        """`ok`, or what is missing."""
        return self._state

    def start(self) -> None:
        """Begin to read the workspace's packages, in a child process of low priority."""
        self._state = "the index of the workspace's packages is being built"
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-c", _CHILD, ROOT, self._python, self._cache],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self._state = f"the index of the workspace's packages cannot be built: {error.strerror}"
            return
        self._reader = Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

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
        self._child = self._reader = None

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        versions: Mapping[str, str] = {}
        with child.stdout:
            for line in child.stdout:
                said: dict[str, Any] = json.loads(line)
                if "error" in said:
                    self._state = (
                        f"{said['error']}: set guard.python to the workspace's interpreter"
                    )
                elif "packages" in said:
                    versions = said["packages"]
                    self._add_table("", said["python"])
                    for name, version in versions.items():
                        self._add_table(name, version)
                elif "apis" in said:
                    self._add_package(said["package"], said["version"], said["apis"])
                elif "done" in said:
                    self._state = "ok"
        child.wait()
        if self._state.endswith("is being built"):
            self._state = (
                "the index of the workspace's packages stopped early; start the server again"
            )

    def _add_table(self, distribution: str, version: str) -> None:
        """Add the shipped names of one distribution ('' is the standard library) in `version`."""
        package = f"{distribution or 'Python'} {version}"
        for path, row in self._table.get(distribution, {}).items():
            until = row.get("until")
            is_old = _at_least(version, row["since"]) and not (until and _at_least(version, until))
            if is_old:
                removed = row.get("removed")
                self._add(
                    Deprecation(
                        path,
                        package,
                        "",
                        row.get("use"),
                        row.get("drop_in", False),
                        row.get("first"),
                        row.get("attribute"),
                        is_removed=bool(removed) and _at_least(version, removed),
                    )
                )

    def _add_package(self, name: str, version: str, apis: Iterable[dict[str, Any]]) -> None:
        package = f"{'Python' if name == 'python' else name} {version}"
        for api in apis:
            for path in api["public"]:
                if path in self._by_path:  # the table names successors better
                    continue
                self._add(
                    Deprecation(
                        path,
                        package,
                        api["text"],
                        api["use"],
                        api["is_drop_in"],
                        is_constructor=api["is_constructor"],
                    )
                )

    def _add(self, deprecation: Deprecation) -> None:
        self._by_path[deprecation.path] = deprecation
        self._last_names.add(deprecation.path.rsplit(".", 1)[-1])


def _read_table() -> dict[str, dict[str, dict[str, Any]]]:
    """The shipped rows by distribution; '' is the standard library."""
    text = files("server.guard").joinpath("api_table.toml").read_text(encoding="utf-8")
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for section, rows in tomllib.loads(text).items():
        distribution = "" if section == "python" else section
        table[distribution] = rows
    return table


def _at_least(version: str, wanted: str) -> bool:
    return _numbers(version) >= _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in version.split("."):
        digits = "".join(c for c in part if c.isdigit()) if part[:1].isdigit() else ""
        if not digits:
            break
        numbers.append(int(digits))
    return tuple([*numbers, 0, 0, 0][:3])
