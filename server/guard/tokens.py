"""Finds tokens of known providers in a text: the patterns whose keyword occurs, with RE2."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, Protocol, cast

import re2  # pyright: ignore[reportMissingTypeStubs]

from server.guard.token_checks import CHECKSUMS, has_fitting_checksum, is_drawn, is_drawn_bare

FIELDS = (
    "cloud",
    "machines",
    "hosting",
    "code",
    "packages",
    "builds",
    "models",
    "money",
    "shops",
    "chat",
    "mail",
    "watching",
    "databases",
    "documents",
    "accounts",
    "media",
)
"""The table is one file for each of these fields: `token_formats_<field>.toml`."""
_ALPHABETS = {
    "{W}": "[A-Za-z0-9]",
    "{U}": "[A-Za-z0-9_-]",
    "{H}": "[a-f0-9]",
    "{L}": "[a-z0-9]",
    "{B}": "[A-Za-z0-9+/]",
    "{UUID}": "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}",
}
# What may stand beside a token: in the middle of base64 or of a hyphenated word there is none.
_BEFORE = r"[^\w.+%#~$-]"
_AFTER = r"[^\w+%#~-]"
_COLUMNS = frozenset(
    ("issuer", "name", "keywords", "beside", "pattern", "checksum", "environment", "source")
)


class _Match(Protocol):
    def start(self, group: int) -> int: ...
    def end(self, group: int) -> int: ...


class _Pattern(Protocol):
    def search(self, text: bytes, pos: int = 0) -> _Match | None: ...


@dataclass(frozen=True)
class TokenFormat:
    """One kind of token."""

    rule: str
    issuer: str
    name: str
    """For a person: `An AWS access key`."""
    keywords: tuple[str, ...]
    """In lower case; one of them stands in or beside every such token."""
    beside: str
    """A word that must stand in the name of what holds the value; '' if the value has a mark."""
    body: str
    """The regular expression of the token alone."""
    pattern: _Pattern
    """Finds it in a text of one byte a character; group 1 is the token."""
    checksum: Literal["", "crc32-base62"]
    environment: str
    """The usual name of the environment variable that holds it."""
    source: str
    """Where its issuer, or who documents it, describes it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that stands in a text."""

    format: TokenFormat
    start: int
    end: int
    is_verified: bool
    """Its checksum fits: the issuer made it, or somebody who knows how."""


def find_tokens(text: str, wanted: Iterable[int] | None = None) -> Iterator[Token]:
    """The tokens in `text` of these formats (indexes of `token_formats()`; None: all)."""
    formats = token_formats()
    # All tokens are ASCII, and one byte a character keeps the offsets.
    plain = text.encode("ascii", "replace")
    for index in range(len(formats)) if wanted is None else sorted(wanted):
        token_format = formats[index]
        position = 0
        while (match := token_format.pattern.search(plain, position)) is not None:
            start, end = match.start(1), match.end(1)
            position = max(end, position + 1)
            value = text[start:end]
            is_real = is_drawn_bare if token_format.beside else is_drawn
            if is_real(value):
                is_verified = has_fitting_checksum(value, token_format.checksum)
                yield Token(token_format, start, end, is_verified)


@cache
def token_formats() -> tuple[TokenFormat, ...]:
    """The table, compiled; kinds with a mark of their own come before those without."""
    formats: list[TokenFormat] = []
    for field in FIELDS:
        text = files("server.guard").joinpath(f"token_formats_{field}.toml").read_text("utf-8")
        formats += (_format(rule, row) for rule, row in tomllib.loads(text).items())
    return tuple(sorted(formats, key=lambda one: bool(one.beside)))


def _format(rule: str, row: Mapping[str, str]) -> TokenFormat:
    if unknown := row.keys() - _COLUMNS:
        raise ValueError(f"{rule}: there is no column {sorted(unknown)[0]}")
    body, beside = row["pattern"], row.get("beside", "")
    for mark, letters in _ALPHABETS.items():
        body = body.replace(mark, letters)
    pattern = _beside(beside, body) if beside else rf"(?:^|{_BEFORE})({body})(?:{_AFTER}|$)"
    checksum = row.get("checksum", "")
    if checksum and checksum not in CHECKSUMS:
        raise ValueError(f"{rule}: there is no checksum {checksum}")
    return TokenFormat(
        rule,
        row["issuer"],
        row["name"],
        tuple(row.get("keywords", beside).split()),
        beside,
        body,
        _compiled(pattern),
        cast(Literal["", "crc32-base62"], checksum),
        row["environment"],
        row["source"],
    )


def _beside(words: str, body: str) -> str:
    """A value given to a name with one of the words: `WORD_API_KEY = "…"`, `myWord: "…"`.

    The word begins the name or follows a sign or a capital: `SetSync` does not say `etsy`.
    """
    anyhow = "|".join(words.split())
    capital = "|".join(word.capitalize() for word in words.split())
    return (
        rf"(?:(?:^|[^A-Za-z])(?i:{anyhow})|[a-z0-9](?:{capital}))"
        rf"[\w.\- \t]{{0,40}}[\"'`\]\s]{{0,4}}(?:=>|:=|[=:>,(|?]){{1,3}}"
        rf"[ \t\"'`=]{{0,6}}({body})(?:[^\w/+=-]|$)"
    )


_compile = cast(Callable[[bytes], _Pattern], re2.compile)  # pyright: ignore


def _compiled(pattern: str) -> _Pattern:
    return _compile(pattern.encode())
