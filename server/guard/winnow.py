"""Fingerprints of code by winnowing: a copy of 40 tokens shares at least one with its source.

Schleimer, Wilkerson and Aiken, "Winnowing: Local Algorithms for Document Fingerprinting" (2003).
White space and the kind of quote do not count. Everything is arithmetic on whole arrays modulo
2^64: the hash of a run is a difference of prefix sums, brought back to offset 0 by the inverse of
an odd power.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GRAM_TOKENS = 25
WINDOW_GRAMS = 16
LEAST_TOKENS = GRAM_TOKENS + WINDOW_GRAMS - 1
"""A shorter text has no full window: nothing can be said about it."""

Hashes = NDArray[np.uint64]
Fingerprints = NDArray[np.uint32]
Offsets = NDArray[np.intp]

_CHARACTER_BASE, _TOKEN_BASE = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95  # any odd numbers will do
_UPPER, _SHIFT = np.uint64(32), np.uint64(33)
_FACTORS = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_NONE = np.zeros(0, np.uint64)
_SPACE, _WORD, _SIGN = range(3)
OTHER = 128
"""In place of the code of each character outside ASCII: they are parts of words."""


def _class(code: int) -> int:
    if code <= 32 or code == 127:
        return _SPACE
    return _WORD if code >= OTHER or chr(code).isalnum() or code == ord("_") else _SIGN


_CLASSES = bytes(map(_class, range(256)))
_SPACES = bytes(code for code in range(256) if _CLASSES[code] == _SPACE)
# White space is 0, and there is one kind of quote.
_FOLDED = bytes(
    0 if code in _SPACES else ord('"') if code in b"'`" else code for code in range(256)
)
IS_WORD = np.frombuffer(_CLASSES, np.uint8) == _WORD
"""Whether a word or number may begin with a character: by its code, or OTHER."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text: a word or number, or one other character that is no white space."""

    codes: NDArray[np.uint8]
    """Of each character of the text, below 128; OTHER for the others."""
    starts: Offsets
    ends: Offsets
    hashes: Hashes

    def __len__(self) -> int:
        return len(self.hashes)


@lru_cache(maxsize=4)
def tokens(text: str) -> Tokens:
    """The tokens of `text` with character offsets; several detectors ask for those of one text."""
    codes, points = _codes(text)
    classes = np.frombuffer(b"\0%b\0" % codes.translate(_CLASSES), np.uint8)
    is_word, is_sign = classes == _WORD, classes[1:-1] == _SIGN
    starts = (is_sign | (is_word[1:-1] > is_word[:-2])).nonzero()[0]
    ends = (is_sign | (is_word[1:-1] > is_word[2:])).nonzero()[0] + 1
    folded = np.frombuffer(codes.translate(_FOLDED), np.uint8)
    if points is not None:
        folded = np.where(points < OTHER, folded, points)
    powers, inverses = _powers(_CHARACTER_BASE, _room(len(codes)))
    # White space is 0, so it adds nothing to the token before it.
    sums = np.add.reduceat(folded * powers[: len(codes)], starts) if len(starts) else _NONE
    hashes = _mixed(sums * inverses[starts])
    return Tokens(np.frombuffer(codes, np.uint8), starts, ends, hashes)


def grams(hashes: Hashes, length: int = GRAM_TOKENS) -> Fingerprints:
    """The fingerprint of each run of `length` tokens, in order."""
    count = len(hashes) - length + 1
    if count <= 0:
        return np.zeros(0, np.uint32)
    powers, inverses = _powers(_TOKEN_BASE, _room(len(hashes)))
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.add.accumulate(hashes * powers[: len(hashes)], out=sums[1:])
    mixed = _mixed((sums[length:] - sums[:-length]) * inverses[:count])
    return (mixed >> _UPPER).astype(np.uint32)


def winnowed(runs: Fingerprints) -> Fingerprints:
    """The smallest fingerprint of each window of 16, each once, sorted."""
    if len(runs) < WINDOW_GRAMS:
        return np.unique(runs)[:1]
    for step in (1, 2, 4, 8):
        runs = np.minimum(runs[:-step], runs[step:])
    return np.unique(runs)


def squeezed(text: str) -> bytes:
    """The letters of all tokens of `text`; those outside ASCII are alike."""
    return _codes(text)[0].translate(_FOLDED, _SPACES)


def _codes(text: str) -> tuple[bytes, NDArray[np.uint32] | None]:
    """A byte for each character, and their code points where not all are ASCII; half a surrogate
    pair is a character too."""
    if text.isascii():
        return text.encode("ascii"), None
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.minimum(points, OTHER).astype(np.uint8).tobytes(), points


def _mixed(hashes: Hashes) -> Hashes:
    """`hashes` changed so that every bit depends on all that it had (MurmurHash3's last step)."""
    for factor in _FACTORS:
        hashes ^= hashes >> _SHIFT
        hashes *= factor
    hashes ^= hashes >> _SHIFT
    return hashes


def _room(length: int) -> int:
    """Table sizes double, so that few are made and kept."""
    return max(1024, 1 << length.bit_length())


@lru_cache(maxsize=16)
def _powers(base: int, length: int) -> tuple[Hashes, Hashes]:
    """base^0, base^1, ... and their inverses modulo 2^64."""
    factors = np.full((2, length), 1, np.uint64)
    factors[0, 1:], factors[1, 1:] = base, pow(base, -1, 1 << 64)
    powers = np.cumprod(factors, axis=1, dtype=np.uint64)
    return powers[0], powers[1]
