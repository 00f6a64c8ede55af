"""Code as tokens of which some may be renamed without its becoming other code.

A name may be renamed unless it is a keyword, a member (`.append`), called (`range(...)`; what
`def` or `class` makes is not called), a keyword argument or part of a string. What stands in two
texts is compared token by token; white space, line breaks and the kind of quote do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.guard.winnow import IS_WORD, Hashes, Offsets, Tokens, tokens

# Words that some language knows but others use as names (`new`, `type`, `func`) are left out.
_KEYWORDS = """
and as assert async await break case catch class const continue def del delete do elif else except
extends false finally for foreach from function global if implements import in instanceof is lambda
let namespace nil None nonlocal not null or pass private protected public pub raise return self
static struct super switch this throw throws True False true try typeof undefined using var void
where while with yield
"""


@dataclass(frozen=True)
class Shape:
    """The tokens of a text, as they are and as kinds."""

    starts: Offsets
    ends: Offsets
    exact: Hashes
    kinds: Hashes
    """As `exact`, but one value for all that may be renamed."""
    may_rename: NDArray[np.bool_]
    is_keyword: NDArray[np.bool_]
    is_word: NDArray[np.bool_]
    is_number: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.exact)


def shape(text: str) -> Shape:
    """The shape of `text`, with character offsets."""
    found = tokens(text)
    first = found.codes[found.starts]
    is_word, is_number = IS_WORD[np.minimum(first, 128)], (first > 47) & (first < 58)
    is_word &= ~is_number
    is_member, is_called = np.zeros(len(found), np.bool_), np.zeros(len(found), np.bool_)
    is_member[1:] = found.hashes[:-1] == _DOT
    special = _special(found.hashes)
    is_called[:-1] = found.hashes[1:] == _BRACKET
    is_called[1:] &= (special[:-1] & _DEFINING) == 0
    is_keyword = (special & _KEYWORD) != 0
    is_fixed = is_member | is_called | _quoted(found) | _keyword_arguments(found, special)
    may_rename = is_word & ~is_keyword & ~is_fixed
    kinds = found.hashes.copy()
    kinds[may_rename] = 1
    return Shape(
        found.starts,
        found.ends,
        found.hashes,
        kinds,
        may_rename,
        is_keyword,
        is_word,
        is_number,
    )


def _special(hashes: Hashes) -> NDArray[np.uint8]:
    """What the grammar says about each token, as flags."""
    places = np.minimum(np.searchsorted(_SPECIAL, hashes), len(_SPECIAL) - 1)
    return np.where(_SPECIAL[places] == hashes, _FLAGS[places], np.uint8(0))


def _keyword_arguments(found: Tokens, special: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which tokens stand between a bracket or comma and one `=`, inside brackets."""
    among = np.zeros(len(found), np.bool_)
    is_assigned = found.hashes == _ASSIGN
    if len(found) < 4 or not is_assigned.any():
        return among
    is_open, is_close = (special & _OPENING) != 0, (special & _CLOSING) != 0
    depth = np.cumsum(is_open.astype(np.int8) - is_close, dtype=np.intp)
    inside = depth > np.minimum(np.minimum.accumulate(depth), 0)
    before = is_open | (found.hashes == _COMMA)
    among[1:-2] = before[:-3] & inside[1:-2] & is_assigned[2:-1] & ~is_assigned[3:]
    return among


def _quoted(found: Tokens) -> NDArray[np.bool_]:
    """Which tokens have an odd number of quotes before them in their line."""
    is_quote = found.hashes == _QUOTE
    if not is_quote.any():
        return is_quote
    before = np.cumsum(is_quote) - is_quote
    lines = np.cumsum(found.codes == ord("\n"))[found.starts]
    begins = np.ones(len(found), np.bool_)
    begins[1:] = lines[1:] != lines[:-1]
    at_begin = np.maximum.accumulate(np.where(begins, before, 0))
    return (before - at_begin) % 2 == 1


def _flagged() -> tuple[Hashes, NDArray[np.uint8]]:
    flags: dict[int, int] = {}
    for words, flag in (
        (_KEYWORDS, _KEYWORD),
        ("def class function func fn", _DEFINING),
        ("( [ {", _OPENING),
        (") ] }", _CLOSING),
    ):
        for each in tokens(words).hashes.tolist():
            flags[each] = flags.get(each, 0) | flag
    known = sorted(flags)
    return np.array(known, np.uint64), np.array([flags[one] for one in known], np.uint8)


_KEYWORD, _DEFINING, _OPENING, _CLOSING = 1, 2, 4, 8
_SPECIAL, _FLAGS = _flagged()
_DOT, _BRACKET, _QUOTE, _ASSIGN, _COMMA = tokens(". ( ' = ,").hashes
