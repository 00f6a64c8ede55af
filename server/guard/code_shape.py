"""Code as tokens of which some may be renamed without its becoming other code.

A name may be renamed unless it is a keyword, a member (`.append`), called (`range(...)`; what
`def` or `class` makes is not called), a keyword argument or part of a string. What stands in two
texts is compared token by token; white space, line breaks and the kind of quote do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

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


_WORD, _NUMBER, _DOT, _BRACKET, _QUOTE, _ASSIGN, _COMMA = 1, 2, 4, 8, 16, 32, 64
_OPENING, _CLOSING, _KEYWORD, _DEFINING = 128, 256, 512, 1024


@dataclass(frozen=True)
class Shape:
    """The tokens of a text, as they are and as kinds."""

    starts: Offsets
    ends: Offsets
    exact: Hashes
    kinds: Hashes
    """As `exact`, but one value for all that may be renamed."""
    may_rename: NDArray[np.bool_]
    flags: NDArray[np.uint16]
    """What each token is by itself."""

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def is_keyword(self) -> NDArray[np.bool_]:
        return (self.flags & _KEYWORD) != 0

    @property
    def is_word(self) -> NDArray[np.bool_]:
        """Names and keywords, not numbers."""
        return (self.flags & _WORD) != 0

    @property
    def is_number(self) -> NDArray[np.bool_]:
        return (self.flags & _NUMBER) != 0


@lru_cache(maxsize=2)
def shape(text: str) -> Shape:
    """The shape of `text`, with character offsets; kept for the next key."""
    found = tokens(text)
    flags = _flags(found)
    may_rename = (flags & (_WORD | _KEYWORD)) == _WORD
    may_rename[1:] &= (flags[:-1] & _DOT) == 0
    is_called = (flags[1:] & _BRACKET) != 0
    is_called[1:] &= (flags[:-2] & _DEFINING) == 0
    may_rename[:-1] &= ~is_called
    may_rename &= ~_quoted(found, flags)
    may_rename[_keyword_arguments(flags)] = False
    kinds = np.where(may_rename, _NAME, found.hashes)
    return Shape(found.starts, found.ends, found.hashes, kinds, may_rename, flags)


def _flags(found: Tokens) -> NDArray[np.uint16]:
    flags = _BY_CODE[found.codes[found.starts]]
    places = _SPECIAL.searchsorted(found.hashes)
    flags |= _BY_WORD[places] * (_SPECIAL[places] == found.hashes)
    return flags


def _keyword_arguments(flags: NDArray[np.uint16]) -> list[int]:
    """Which tokens stand between a bracket or comma and one `=`, inside brackets."""
    last, each = len(flags) - 1, flags.data
    found = [
        at - 1
        for at in (flags & _ASSIGN).nonzero()[0].tolist()
        if 1 < at < last and each[at - 2] & (_OPENING | _COMMA) and not each[at + 1] & _ASSIGN
    ]
    if not found:
        return found
    steps = ((flags & _OPENING) != 0).astype(np.int8) - ((flags & _CLOSING) != 0)
    depth = np.add.accumulate(steps, dtype=np.intp)
    is_inside = depth > np.minimum(np.minimum.accumulate(depth), 0)
    return [at for at in found if is_inside[at]]


def _quoted(found: Tokens, flags: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Which tokens have an odd number of quotes before them in their line."""
    is_quote = (flags & _QUOTE) != 0
    if not is_quote.any():
        return is_quote
    is_odd = np.logical_xor.accumulate(is_quote) ^ is_quote
    breaks: Offsets = (found.codes == ord("\n")).nonzero()[0]
    begins = np.append(0, np.searchsorted(found.starts, breaks))
    lines = breaks.searchsorted(found.starts)
    return is_odd ^ is_odd.take(begins, mode="clip")[lines]


def _by_code() -> NDArray[np.uint16]:
    """The flags of a token by its first character."""
    flags = np.where(IS_WORD, _WORD, 0).astype(np.uint16)
    flags[[ord(digit) for digit in "0123456789"]] = _NUMBER
    for signs, flag in (
        *((".", _DOT), ("(", _BRACKET), ("'\"`", _QUOTE), ("=", _ASSIGN), (",", _COMMA)),
        *(("([{", _OPENING), (")]}", _CLOSING)),
    ):
        flags[[ord(sign) for sign in signs]] |= flag
    return flags


def _by_word() -> tuple[Hashes, NDArray[np.uint16]]:
    """The words that mean something to the grammar, sorted and ended, and their flags."""
    flags = {(1 << 64) - 1: 0}
    for words, flag in ((_KEYWORDS, _KEYWORD), ("def class function func fn", _DEFINING)):
        for each in tokens(words).hashes.tolist():
            flags[each] = flags.get(each, 0) | flag
    known = sorted(flags)
    return np.array(known, np.uint64), np.array([flags[one] for one in known], np.uint16)


_NAME = np.uint64(1)
_BY_CODE = _by_code()
_SPECIAL, _BY_WORD = _by_word()
