"""Code as tokens of which some may be renamed without its becoming other code.

A name may be renamed unless it is a keyword, a member (`.append`), called (`range(...)`; what
`def` or `class` makes is not called) or part of a string. What stands in two texts is compared
token by token; white space, line breaks and the kind of quote do not count.
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
_FIXED, _REPEATED, _SIGN, _KEYWORD, _FIRST = 4.0, 2.0, 0.7, 2.0, 0.5


@dataclass(frozen=True)
class Shape:
    """The tokens of a text, three times: as they are, as kinds, and as evidence."""

    starts: Offsets
    ends: Offsets
    exact: Hashes
    kinds: Hashes
    """As `exact`, but one value for all that may be renamed."""
    may_rename: NDArray[np.bool_]
    weights: NDArray[np.float32]
    """How much a token that agrees says, in bits; what may be renamed says nearly nothing."""

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
    is_called[:-1] = found.hashes[1:] == _BRACKET
    is_called[1:] &= ~_among(found.hashes[:-1], _DEFINING)
    is_keyword = _among(found.hashes, _KEYWORD_HASHES)
    is_fixed = is_member | is_called | _quoted(found)
    may_rename = is_word & ~is_keyword & ~is_fixed
    weights = np.full(len(found), _SIGN, np.float32)
    weights[is_word | is_number] = _FIXED
    weights[is_keyword] = _KEYWORD
    weights[may_rename] = _FIRST
    kinds = found.hashes.copy()
    kinds[may_rename] = 1
    return Shape(found.starts, found.ends, found.hashes, kinds, may_rename, weights)


def renamed_evidence(known: Shape, begin: int, length: int) -> float:
    """How much a run says where its names are renamed, in bits: one that comes back says more."""
    end = begin + length
    names = known.exact[begin:end][known.may_rename[begin:end]]
    repeated = len(names) - len(np.unique(names))
    return float(known.weights[begin:end].sum()) + (_REPEATED - _FIRST) * repeated


def exact_evidence(known: Shape, begin: int, length: int) -> float:
    """How much a run says where its names are the same, in bits."""
    end = begin + length
    return float(np.where(known.may_rename[begin:end], _FIXED, known.weights[begin:end]).sum())


def _among(hashes: Hashes, few: Hashes) -> NDArray[np.bool_]:
    """Which of `hashes` are among the `few`, which are sorted."""
    return few[np.minimum(np.searchsorted(few, hashes), len(few) - 1)] == hashes


def _quoted(found: Tokens) -> NDArray[np.bool_]:
    """Which tokens have an odd number of quotes before them in their line."""
    is_quote = found.hashes == _QUOTE
    if not is_quote.any():
        return is_quote
    before = np.cumsum(is_quote) - is_quote
    lines = np.searchsorted(np.flatnonzero(found.codes == ord("\n")), found.starts)
    begins = np.ones(len(found), np.bool_)
    begins[1:] = lines[1:] != lines[:-1]
    at_begin = np.maximum.accumulate(np.where(begins, before, 0))
    return (before - at_begin) % 2 == 1


_KEYWORD_HASHES = np.sort(tokens(_KEYWORDS).hashes)
_DEFINING = np.sort(tokens("def class function func fn").hashes)
_DOT, _BRACKET, _QUOTE = tokens(". ( '").hashes
