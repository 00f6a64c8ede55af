"""Rules that a person allows for good: a small TOML file of path patterns, each with its rules.

    "*" = ["S324"]                                  # never block this rule
    "/home/me/project/*" = ["secret-in-a-literal"]  # allowed in this folder

It lies in the home and not in a workspace: a cloned repository must not switch the guard off.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from server.guard.errors import BadAllowList
from server.guard.finding import Case

EVERYWHERE = "*"
_RULE = re.compile(r"[\w.:*-]{1,200}")


class AllowList:
    """The file as it is now: looked at again whenever it changes. None: nothing is allowed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._table: Mapping[str, frozenset[str]] = {}
        self._status = "ok"

    @property
    def table(self) -> Mapping[str, frozenset[str]]:
        """Path patterns (`*` is any text, slashes too) with the rules allowed there."""
        self._follow()
        return self._table

    def rules_for(self, case: Case) -> frozenset[str]:
        """The rules allowed in the case's file."""
        table = self.table
        if not table:
            return frozenset()
        path = _absolute(case)
        return frozenset(
            rule for pattern, rules in table.items() if fnmatchcase(path, pattern) for rule in rules
        )

    def add(self, rule: str, pattern: str = EVERYWHERE) -> None:
        """Allow `rule` in files that match `pattern`; raises BadAllowList."""
        if not _RULE.fullmatch(rule):
            raise BadAllowList(f"'{rule}' is no rule's name: take it from a finding, as S324")
        table = self._checked()
        self._write({**table, pattern: table.get(pattern, frozenset()) | {rule}})

    def remove(self, rule: str, pattern: str = EVERYWHERE) -> None:
        """Take `rule` off the list again; raises BadAllowList where it is not on it."""
        table = self._checked()
        if rule not in table.get(pattern, ()):
            raise BadAllowList(f"'{rule}' is not allowed at '{pattern}': `unsay allow` lists all")
        self._write({**table, pattern: table[pattern] - {rule}})

    def status(self) -> str:
        """`ok`, or what is wrong with the file; what it said last then still holds."""
        self._follow()
        return self._status

    def _checked(self) -> Mapping[str, frozenset[str]]:
        table = self.table
        if self._status != "ok":
            raise BadAllowList(self._status)
        return table

    def _follow(self) -> None:
        if self._path is None:
            return
        try:
            facts = os.stat(self._path)
        except OSError:
            self._stamp, self._table, self._status = None, {}, "ok"
            return
        stamp = (facts.st_mtime_ns, facts.st_size)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._table = _parse(self._path)
            self._status = "ok"
        except (OSError, ValueError) as error:
            self._status = f"{self._path} is not used as it stands: {error}"

    def _write(self, table: Mapping[str, frozenset[str]]) -> None:
        if self._path is None:
            raise BadAllowList("this guard has no file for what is allowed: set `allow` in [guard]")
        lines = [
            f"{json.dumps(pattern)} = {json.dumps(sorted(rules))}\n"
            for pattern, rules in table.items()
            if rules
        ]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            number, name = tempfile.mkstemp(dir=self._path.parent, prefix=".allow-")
            with open(number, "w", encoding="utf-8") as file:
                file.write("# What the guard lets pass: path patterns with rules. `unsay allow`.\n")
                file.writelines(lines)
            os.replace(name, self._path)
        except OSError as error:
            raise BadAllowList(f"{self._path} cannot be written: {error.strerror}") from error
        self._follow()


def pattern_of(folder: str | None) -> str:
    """The path pattern of a folder's files; of all files without one."""
    if folder is None:
        return EVERYWHERE
    escaped = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in folder)
    return escaped.replace("\\", "/").rstrip("/") + "/*"


def _parse(path: Path) -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for pattern, rules in tomllib.loads(path.read_text(encoding="utf-8")).items():
        if not isinstance(rules, list) or not all(
            isinstance(rule, str) for rule in cast(list[Any], rules)
        ):
            raise ValueError(f"'{pattern}' needs a list of rules")
        table[pattern] = frozenset(cast(list[str], rules))
    return table


def _absolute(case: Case) -> str:
    path = (case.path or "").replace("\\", "/")
    if case.workspace is None:
        return path
    return f"{case.workspace.replace(chr(92), '/').rstrip('/')}/{path}"
