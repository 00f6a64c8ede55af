"""The table of Python calls that may be insecure: `python_calls.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from server.guard.call_conditions import CONDITIONS, Condition
from server.guard.finding import Severity


@dataclass(frozen=True)
class CallRule:
    """One row of `python_calls.toml`."""

    rule: str
    names: tuple[str, ...]
    condition: Condition
    cwe: str
    severity: Severity
    message: str
    last: dict[str, str]
    """What to write for the last part of a name."""
    keyword: str | None
    """What to write for the keyword argument that is wrong."""


@cache
def call_rules() -> tuple[CallRule, ...]:
    """The table."""
    text = files("server.guard").joinpath("python_calls.toml").read_text(encoding="utf-8")
    return tuple(
        CallRule(
            rule,
            tuple(row["names"]),
            CONDITIONS[row["when"]],
            row["cwe"],
            row["severity"],
            row["message"],
            row.get("last", {}),
            row.get("keyword"),
        )
        for rule, row in tomllib.loads(text).items()
    )


@cache
def calls_by_name() -> dict[str, list[CallRule]]:
    """The rows in which a full name stands."""
    found: dict[str, list[CallRule]] = {}
    for rule in call_rules():
        for name in rule.names:
            found.setdefault(name, []).append(rule)
    return found
