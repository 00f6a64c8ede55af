"""The rules for insecure calls, constructions and assignments: `syntax_rules_*.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

import re2  # pyright: ignore[reportMissingTypeStubs]

from server.guard.finding import Severity
from server.guard.languages import Family
from server.guard.syntax_shapes import SHAPES, Shape
from server.guard.syntax_values import INPUT, Origin
from server.guard.syntax_window import Searcher

_RE2: Any = re2
TABLES: tuple[tuple[str, Family], ...] = (
    ("javascript", "javascript"),
    ("node", "javascript"),
    ("java", "java"),
    ("csharp", "csharp"),
    ("c", "c"),
    ("go", "go"),
    ("php", "php"),
    ("rust", "rust"),
)
_SQL = (
    r"(?is)\b(?:select\b.{1,300}\bfrom\b|insert\s+into\b|replace\s+into\b|update\b.{1,120}\bset\b"
    r"|delete\s+from\b|(?:drop|create|alter)\s+(?:table|database|user)\b|\bwhere\s+\S|\border\s+by\b"
    r"|^.?select\s|^.?(?:exec|call)\s\w)"
)
_ORIGINS = {
    "anything": frozenset(Origin),
    "fixed": frozenset({Origin.FIXED}),
    "not fixed": frozenset(Origin) - {Origin.FIXED},
    "built": frozenset({Origin.BUILT, Origin.INPUT}),
    "sql": frozenset({Origin.BUILT, Origin.INPUT}),
    "input": frozenset({Origin.INPUT}),
}
# What the window must hold for a value to be of that origin: decides before anything is parsed.
_NEAR = {
    "sql": r"(?i)\b(?:select|insert|update|delete|replace|drop|create|alter|where|order|exec|call)"
    r"\s",
    "input": INPUT.pattern,
}


@dataclass(frozen=True)
class SyntaxRule:
    """One row of `syntax_rules_*.toml`."""

    rule: str
    family: Family
    cwe: str
    message: str
    names: dict[str, Shape]
    """The names that it is about, and how each must be used."""
    on: re.Pattern[str] | None
    """What the text before the name's dot must look like; a name's declared type counts too."""
    argument: int | None
    """The argument that is judged; None where the use itself is wrong."""
    origins: frozenset[Origin]
    """Where the argument may come from."""
    matches: re.Pattern[str] | None
    """What the argument, or something that it was built from, must look like."""
    count: int | None
    """How many arguments there must be."""
    having: re.Pattern[str] | None
    """What the text from the name on, its arguments, must hold."""
    unless: re.Pattern[str] | None
    """What makes it safe, in its arguments."""
    near: Searcher | None
    """What must stand somewhere in the window."""
    unless_near: Searcher | None
    """What makes it safe, anywhere in the window."""
    is_into_array: bool
    """The first argument must be declared as an array above, and the judged one not be compared."""
    severity: Severity
    is_certain: bool
    """Keeps its severity where the argument is of unknown origin."""
    is_about_secrets: bool
    """Low, unless words of security stand near."""
    is_name_blamed: bool
    """The name; otherwise the argument that is judged."""
    replacement: str | None
    """Of what is blamed."""
    bad: str
    good: str


@cache
def syntax_rules() -> tuple[SyntaxRule, ...]:
    """The tables of all languages."""
    return tuple(rule for name, family in TABLES for rule in _table(name, family))


def _table(name: str, family: Family) -> Iterator[SyntaxRule]:
    text = files("server.guard").joinpath(f"syntax_rules_{name}.toml").read_text("utf-8")
    for rule, row in tomllib.loads(text).items():
        yield _rule(rule, family, row)


def _rule(rule: str, family: Family, row: dict[str, Any]) -> SyntaxRule:
    names: dict[str, Shape] = {}
    for shape in SHAPES:
        names |= dict.fromkeys(row.pop(shape, ()), shape)
    is_ = row.pop("is", "anything")
    argument = row.pop("argument", None)
    matches = row.pop("matches", _SQL if is_ == "sql" else None)
    made = SyntaxRule(
        rule,
        family,
        row.pop("cwe"),
        row.pop("message"),
        names,
        _pattern(row.pop("on", None)),
        argument,
        _ORIGINS[is_],
        _pattern(matches),
        row.pop("count", None),
        _pattern(row.pop("having", None)),
        _pattern(row.pop("unless", None)),
        _linear(row.pop("near", _NEAR.get(is_))),
        _linear(row.pop("unless_near", None)),
        row.pop("into_array", False),
        row.pop("severity", "medium"),
        row.pop("certain", "FIXED" in {one.name for one in _ORIGINS[is_]}),
        row.pop("about_secrets", False),
        row.pop("blame", "name") == "name",
        row.pop("replacement", None),
        row.pop("bad"),
        row.pop("good"),
    )
    if row or not names:
        raise ValueError(f"{rule}: unknown fields {sorted(row)}, or no names")
    return made


def _pattern(text: str | None) -> re.Pattern[str] | None:
    return re.compile(text) if text else None


def _linear(text: str | None) -> Searcher | None:
    """For searches through the whole window: google-re2 takes the same time on any text."""
    return cast(Searcher, _RE2.compile(text)) if text else None
