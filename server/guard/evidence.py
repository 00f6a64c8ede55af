"""How many bits it says that another text has the tokens of a known one, or their kinds.

A word says what `word_bits` holds, a keyword or a sign little, a name that may be renamed nearly
nothing; what a text repeats says less each time, but that a renamed name comes back where it
should says something.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.guard.code_shape import Shape
from server.guard.word_bits import word_bits

_SIGN, _KEYWORD, _AGAIN, _RENAMED = 0.7, 2.0, 2.0, 0.5
_DIGIT = 3.0
_KEPT = 0.5
"""Of what a name says that is not renamed: that is often a module, used in the same way by all."""

Bits = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """Of the tokens of known texts; sums from the first of them on, one more than tokens."""

    same: Bits
    """Where the tokens are the same."""
    kinds: Bits
    """Where names may be renamed."""

    def of_same(self, begin: int, end: int) -> float:
        """Of a run of tokens that are the same."""
        return float(self.same[end] - self.same[begin])

    def of_renamed(self, begin: int, end: int, agree: NDArray[np.bool_]) -> float:
        """Of a run of which some tokens `agree` and the others are names that were changed."""
        renamed = float(self.kinds[end] - self.kinds[begin])
        kept = np.diff(self.same[begin : end + 1]) - np.diff(self.kinds[begin : end + 1])
        return renamed + _KEPT * float(kept[agree & (kept > 0)].sum())


def evidence(known: Shape, text_numbers: NDArray[np.intp]) -> Evidence:
    """The evidence of known texts, with the number of its text for each token."""
    is_again = np.ones(len(known), np.bool_)
    pairs = known.exact ^ (text_numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    is_again[np.unique(pairs, return_index=True)[1]] = False
    says = np.full(len(known), _SIGN)
    says[known.is_word] = word_bits(known.exact[known.is_word])
    says[known.is_number] = _DIGIT * (known.ends - known.starts)[known.is_number]
    says[known.is_keyword] = _KEYWORD
    says[is_again] = np.minimum(says[is_again], _AGAIN)
    kinds = says.copy()
    kinds[known.may_rename] = np.where(is_again[known.may_rename], _AGAIN, _RENAMED)
    return Evidence(_sums(says), _sums(kinds))


def _sums(bits: Bits) -> Bits:
    return np.concatenate(([0.0], np.cumsum(bits)))
