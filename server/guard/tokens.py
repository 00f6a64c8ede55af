"""Finds tokens of known providers in a text: one keyword pass, then the patterns that can match."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from server.guard.keywords import KeywordPass, lowered


@dataclass(frozen=True)
class TokenFormat:
    """One kind of token; the table is `token_formats.toml`."""

    rule: str
    name: str
    """For a person: `An AWS access key`."""
    keywords: tuple[str, ...]
    pattern: re.Pattern[str]
    """Its group 1 is the secret."""
    environment: str
    """The usual name of the environment variable that holds it."""


@dataclass(frozen=True)
class Token:
    """A token that stands in a text."""

    format: TokenFormat
    start: int
    end: int


def find_tokens(text: str) -> Iterator[Token]:
    """Every provider token in `text`, in the order of the table."""
    formats, keywords = _table()
    hit: set[int] = set()
    for _, indexes in keywords.hits(lowered(text)):
        hit.update(indexes)
    for index in sorted(hit):
        token_format = formats[index]
        for match in token_format.pattern.finditer(text):
            yield Token(token_format, match.start(1), match.end(1))


@cache
def token_formats() -> tuple[TokenFormat, ...]:
    """The table, compiled."""
    text = files("server.guard").joinpath("token_formats.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)
    return tuple(_format(rule, row) for rule, row in rows.items())


def _format(rule: str, row: dict[str, str | bool]) -> TokenFormat:
    pattern = str(row["pattern"])
    for mark, letters in (("{W}", "[A-Za-z0-9]"), ("{U}", "[A-Za-z0-9_-]"), ("{H}", "[a-f0-9]")):
        pattern = pattern.replace(mark, letters)
    beside = str(row.get("beside", ""))
    if beside:
        left = rf"(?i:{beside})[\w.\- \t\"'\[\]]{{0,40}}(?:=>|:=|[=:,(])[ \t]{{0,4}}[\"'`]"
        pattern = rf"{left}({pattern})(?![\w/+=-])"
    elif not row.get("raw"):
        pattern = rf"(?<![A-Za-z0-9_])({pattern})(?![A-Za-z0-9_-])"
    keywords = tuple(str(row.get("keywords", beside)).split())
    return TokenFormat(
        rule, str(row["name"]), keywords, re.compile(pattern), str(row["environment"])
    )


@cache
def _table() -> tuple[tuple[TokenFormat, ...], KeywordPass[tuple[int, ...]]]:
    formats = token_formats()
    by_keyword: dict[str, tuple[int, ...]] = {}
    for index, token_format in enumerate(formats):
        for keyword in token_format.keywords:
            by_keyword[keyword] = (*by_keyword.get(keyword, ()), index)
    return formats, KeywordPass(by_keyword)
