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
_SPACE, _WORD, _SIGN = 0, 1, 2


def _classes() -> NDArray[np.uint8]:
    """What each of the first 128 characters is; all others are parts of words."""
    classes = np.full(129, _WORD, np.uint8)
    for code in range(128):
        if code <= 32 or code == 127:
            classes[code] = _SPACE
        elif not (chr(code).isalnum() or code == ord("_")):
            classes[code] = _SIGN
    return classes


_CLASSES = _classes()
IS_WORD = _CLASSES == _WORD
"""Whether a word or number may begin with a character: by its code point, at most 128."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text: a word or number, or one other character that is no white space."""

    codes: NDArray[np.unsignedinteger]
    """The code point of each character of the text; half a surrogate pair is one too."""
    starts: Offsets
    ends: Offsets
    hashes: Hashes

    def __len__(self) -> int:
        return len(self.hashes)


@lru_cache(maxsize=4)
def tokens(text: str) -> Tokens:
    """The tokens of `text` with character offsets; several detectors ask for those of one text."""
    codes = _codes(text)
    classes = _CLASSES[np.minimum(codes, 128)]
    solid, sign = classes != _SPACE, classes == _SIGN
    changes = np.ones(len(codes) + 1, np.bool_)
    changes[1:-1] = classes[1:] != classes[:-1]
    starts = np.flatnonzero(solid & (sign | changes[:-1]))
    ends = np.flatnonzero(solid & (sign | changes[1:])) + 1
    powers, inverses = _powers(_CHARACTER_BASE, _room(len(codes)))
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(_folded(codes) * powers[: len(codes)], out=sums[1:])
    return Tokens(codes, starts, ends, _mixed((sums[ends] - sums[starts]) * inverses[starts]))


def grams(hashes: Hashes, length: int = GRAM_TOKENS) -> Fingerprints:
    """The fingerprint of each run of `length` tokens, in order."""
    count = len(hashes) - length + 1
    if count <= 0:
        return np.zeros(0, np.uint32)
    powers, inverses = _powers(_TOKEN_BASE, _room(len(hashes)))
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes * powers[: len(hashes)], out=sums[1:])
    mixed = _mixed((sums[length:] - sums[:-length]) * inverses[:count])
    return (mixed >> np.uint64(32)).astype(np.uint32)


def winnowed(runs: Fingerprints) -> Fingerprints:
    """The smallest fingerprint of each window of 16, each once, sorted."""
    if len(runs) < WINDOW_GRAMS:
        return np.unique(runs)[:1]
    for step in (1, 2, 4, 8):
        runs = np.minimum(runs[:-step], runs[step:])
    return np.unique(runs)


def _codes(text: str) -> NDArray[np.unsignedinteger]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _folded(codes: NDArray[np.unsignedinteger]) -> Hashes:
    """The code points with one kind of quote, each above 0."""
    folded = codes.astype(np.uint64)
    folded[(folded == ord("'")) | (folded == ord("`"))] = ord('"')
    return folded


def _mixed(hashes: Hashes) -> Hashes:
    """Every bit of the result depends on every bit of the argument (MurmurHash3's last step)."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return hashes ^ (hashes >> np.uint64(33))


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
