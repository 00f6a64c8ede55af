"""The labelled cases of our own for deprecated names, from deprecated_cases.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Own:
    """A place, a completion, and what is deprecated in it."""

    name: str
    group: str
    """`method` needs the type of an instance; `name` and `argument` do not."""
    prefix: str
    completion: str
    expect: tuple[str, ...]
    """The rules that must be found; empty for a case that looks like one."""


def own_cases() -> list[Own]:
    """All of them; they are about Python 3.11 and the packages in constraints.txt."""
    path = Path(__file__).with_name("deprecated_cases.toml")
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Own(name, case["group"], case["prefix"], case["completion"], tuple(case.get("expect", ())))
        for name, case in read.items()
    ]
