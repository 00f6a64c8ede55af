"""The shipped table of deprecated and removed names: public facts, by distribution and version."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Deprecation:
    """One deprecated or removed name under one of its paths."""

    path: str
    package: str
    """`Python 3.11.7` or `numpy 2.4.6`."""
    text: str
    """What the package says, where nothing shorter is known."""
    use: str | None
    """The successor: a full name, or words."""
    is_drop_in: bool
    """The successor takes the same arguments."""
    becomes: str | None = None
    """A template of what a whole call becomes; api_table.toml says how it is written."""
    takes: int | None = None
    """The template holds for calls with so many arguments; None: for any."""
    argument: str | None = None
    """Only this keyword is deprecated."""
    is_constructor: bool = False
    is_removed: bool = False
    otherwise: str | None = None
    """What also takes the same arguments, for where the user has typed its beginning."""


def table_rows(distribution: str, version: str) -> Iterator[Deprecation]:
    """What is old in `version` of one distribution; '' is the standard library."""
    package = f"{distribution or 'Python'} {version}"
    for path, row in _table().get(distribution, {}).items():
        until, removed = row.get("until"), row.get("removed")
        if not _at_least(version, row["since"]) or (until and _at_least(version, until)):
            continue
        name, _, argument = path.removesuffix(")").partition("(")
        yield Deprecation(
            name,
            package,
            row.get("say", ""),
            row.get("use"),
            row.get("drop_in", False),
            row.get("becomes"),
            row.get("takes"),
            argument or None,
            is_removed=bool(removed) and _at_least(version, removed),
            otherwise=row.get("or"),
        )


@cache
def _table() -> dict[str, dict[str, dict[str, Any]]]:
    """The shipped rows by distribution; '' is the standard library."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for name in ("api_table.toml", "api_table_packages.toml"):
        text = files("server.guard").joinpath(name).read_text(encoding="utf-8")
        for section, rows in tomllib.loads(text).items():
            table.setdefault("" if section == "python" else section, {}).update(rows)
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
