"""The one keyword pass of the secrets check: which words of which of its parts occur in a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal as OneOf

from server.guard.credential_shapes import SHAPES
from server.guard.deadline import Deadline
from server.guard.keywords import KeywordPass, lowered
from server.guard.plugin_scan import PLUGIN_WORDS
from server.guard.tokens import token_formats

HITS_BETWEEN_CHECKS = 2000
"""Looking at the clock costs as much as ten hits."""
Part = OneOf["format", "shape", "plugin", "name", "mail"]
NAME_WORDS = (
    "pass",
    "pwd",
    "psw",
    "psk",
    "pw",
    "secret",
    "token",
    "key",
    "auth",
    "cred",
    "nonce",
    "bearer",
    "salt",
    "signature",
    "session",
    "cookie",
    "jwt",
    "login",
    "verifier",
    "connectionstring",
    "connection_string",
    "connection-string",
)
"""Every name that `secret_names.strength` knows has one of them, and every call that logs in."""


@dataclass
class Words:
    """What a text gives each part of the check to do."""

    formats: set[int] = field(default_factory=set[int])
    """Indexes of `token_formats()`."""
    shapes: set[int] = field(default_factory=set[int])
    """Indexes of `SHAPES`."""
    plugins: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Offset and index of the plugin."""
    names: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Where a word of a name begins and ends."""
    has_mail: bool = False


def words_in(text: str, deadline: Deadline) -> Words:
    """The words of `text`, by the part that they are for."""
    found = Words()
    for count, (last, (length, meanings)) in enumerate(_keywords().hits(lowered(text))):
        if count % HITS_BETWEEN_CHECKS == HITS_BETWEEN_CHECKS - 1:
            deadline.keep()
        for part, index in meanings:
            if part == "name":
                found.names.append((last + 1 - length, last + 1))
            elif part == "format":
                found.formats.add(index)
            elif part == "shape":
                found.shapes.add(index)
            elif part == "plugin":
                found.plugins.append((last, index))
            else:
                found.has_mail = True
    return found


@cache
def _keywords() -> KeywordPass[tuple[int, tuple[tuple[Part, int], ...]]]:
    meanings: dict[str, list[tuple[Part, int]]] = {"@": [("mail", 0)]}
    for word in NAME_WORDS:
        meanings.setdefault(word, []).append(("name", 0))
    for index, token_format in enumerate(token_formats()):
        for word in token_format.keywords:
            meanings.setdefault(word, []).append(("format", index))
    for index, shape in enumerate(SHAPES):
        for word in shape.keywords:
            meanings.setdefault(word, []).append(("shape", index))
    for index, words in enumerate(PLUGIN_WORDS):
        for word in words:
            meanings.setdefault(word, []).append(("plugin", index))
    return KeywordPass({word: (len(word), tuple(found)) for word, found in meanings.items()})
