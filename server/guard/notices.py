"""Finds licence headers and copyright notices: phrases that stand in comments, not in code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from server.guard.finding import Case
from server.guard.keywords import KeywordPass, lowered
from server.guard.licences import RANK, Terms, terms

MOST_CHARS = 20_000
_GATE = (
    *("licen", "copyright", "all rights", "spdx-", "redistribut", "unauthorized", "permission"),
    *("proprietary", "©"),
)
_PHRASES: dict[str, str | None] = {  # words in lower case -> the licence, None where unnamed
    "under the terms of the gnu general public license": "GPL",
    "under the terms of the gnu affero general public license": "AGPL-3.0",
    "under the terms of the gnu lesser general public license": "LGPL",
    "under the terms of the gnu library general public license": "LGPL",
    "under the gnu general public license": "GPL",
    "under the gnu affero general public license": "AGPL-3.0",
    "under the gnu lesser general public license": "LGPL",
    "covered by the gnu general public license": "GPL",
    "received a copy of the gnu general public license": "GPL",
    "received a copy of the gnu affero general public license": "AGPL-3.0",
    "received a copy of the gnu lesser general public license": "LGPL",
    "gnu general public license version": "GPL",
    "gnu affero general public license version": "AGPL-3.0",
    "gnu lesser general public license version": "LGPL",
    "subject to the terms of the mozilla public license": "MPL-2.0",
    "under the terms of the eclipse public license": "EPL-2.0",
    "licensed under the apache license": "Apache-2.0",
    "licensed under the mit license": "MIT",
    "licensed under the bsd license": "BSD",
    "permission is hereby granted, free of charge": "MIT",
    "redistribution and use in source and binary forms": "BSD",
    "permission to use, copy, modify, and/or distribute this software": "ISC",
    "permission to use, copy, modify, and distribute this software": "ISC",
    "unauthorized copying of this file": "proprietary",
    "this source code is proprietary": "proprietary",
    "proprietary and confidential": "proprietary",
    "all rights reserved": None,
}
_SPDX = re.compile(
    r"SPDX-License-Identifier:[ \t]*([\w.+-]+(?:[ \t]+(?:AND|OR|WITH)[ \t]+[\w.+-]+){0,8})"
)
_COPYRIGHT = re.compile(
    r"(?i)\bcopyright\s{0,3}(?:\(c\)|©|&copy;)?[\s,]{0,3}(?:19|20)\d\d\b[^\n\"<>]{0,120}"
    r"|(?:\(c\)|©)\s{0,3}copyright\b[^\n\"<>]{0,120}"
    r"|\bcopyright\s{0,3}(?:\(c\)|©)\s{0,3}\w[^\n\"<>]{0,120}"
)
# White space and the sign that begins a comment line: a phrase may be broken across lines.
_BREAK = re.compile(r"[ \t\r]*\n[ \t]*(?:#+|//+!?|/?\*+(?!/)|--+|;+|%+|\"|REM\b)?[ \t]*|[ \t]+")
_LEADER = re.compile(r"\s*(?:#|//|/\*|\*|--|;|%|<!--|\"\"\"|'''|\{-|\(\*|REM\b|dnl\b)")
_CODE = re.compile(r"[=<>(){}\[\]\"'`]")
_MARKUP = frozenset({"html", "javascriptreact", "typescriptreact", "vue", "svelte", "xml", "php"})
_TEXT = frozenset({"markdown", "plaintext", "restructuredtext", "latex", "license", "toml", "json"})


@dataclass(frozen=True)
class Notice:
    """The notices of a suggestion as one block."""

    start: int
    end: int
    terms: Terms
    licence: str | None
    """The licence that they name, if they do."""


def find_notice(case: Case) -> Notice | None:
    """The notices in the suggestion that the user did not write, from the first to the last."""
    text = case.suggestion[:MOST_CHARS]
    lower = text.lower()
    if case.language in _TEXT or not any(word in lower for word in _GATE):
        return None
    line = case.prefix[-500:].rsplit("\n", 1)[-1] if "\n" in case.prefix else case.prefix[-500:]
    found = [
        one for one in _phrases(text) if _is_comment(line + text, len(line) + one[0], case.language)
    ]
    if not found:
        return None
    own = _folded(case.prefix[-MOST_CHARS:])[0] + " " + _folded(case.suffix[:MOST_CHARS])[0]
    found = [one for one in found if _folded(text[one[0] : one[1]])[0] not in own]
    if not found:
        return None
    named = [licence for *_, licence in found if licence is not None]
    licence = max(named, key=lambda name: RANK[terms(name)], default=None)
    start, end = min(one[0] for one in found), max(one[1] for one in found)
    return Notice(start, end, "unknown" if licence is None else terms(licence), licence)


def _phrases(text: str) -> Iterator[tuple[int, int, str | None]]:
    for match in _SPDX.finditer(text):
        yield *match.span(), match[1]
    for match in _COPYRIGHT.finditer(text):
        yield match.start(), match.start() + len(match[0].rstrip(" \t*/#-")), None
    folded, offsets = _folded(text)
    for end, phrase in _words().hits(folded):
        start = end + 1 - len(phrase)
        yield offsets[start], offsets[end] + 1, _PHRASES[phrase]


def _folded(text: str) -> tuple[str, list[int]]:
    """Lower case, line breaks and comment signs as one blank; for each character its offset."""
    parts, offsets, at = list[str](), list[int](), 0
    for match in _BREAK.finditer(text):
        parts += text[at : match.start()], " "
        offsets += range(at, match.start() + 1)
        at = match.end()
    parts.append(text[at:])
    offsets += range(at, len(text))
    return lowered("".join(parts)), offsets


def _is_comment(text: str, at: int, language: str) -> bool:
    """Whether the line of `text` is a comment or prose up to `at`, not code that says the words."""
    begin = text.rfind("\n", 0, at) + 1
    before = text[begin:at]
    if _LEADER.match(text, begin) is not None and begin < at:
        return True
    if _LEADER.match(text[at : at + 3]) is not None:
        return True
    return language not in _MARKUP and _CODE.search(before) is None


@cache
def _words() -> KeywordPass[str]:
    return KeywordPass({phrase: phrase for phrase in _PHRASES})
