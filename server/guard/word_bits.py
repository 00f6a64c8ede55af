"""How much it says, in bits, that two pieces of code use the same word."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.guard.winnow import Hashes, tokens

TABLE = Path(__file__).with_name("word_bits.txt")
MOST_BITS = 14
"""Of a word that is not in the table: rarer than any that is."""


def word_bits(words: Hashes) -> NDArray[np.float32]:
    """The bits of each of some words, given as `winnow.tokens` hashes them."""
    known, bits = _table()
    places = np.minimum(np.searchsorted(known, words), len(known) - 1)
    return np.where(known[places] == words, bits[places], np.float32(MOST_BITS))


@cache
def _table() -> tuple[Hashes, NDArray[np.float32]]:
    hashes: list[Hashes] = []
    bits: list[NDArray[np.float32]] = []
    for line in TABLE.read_text(encoding="ascii").splitlines():
        figure, words = line.split(" ", 1)
        hashes.append(tokens(words).hashes)
        bits.append(np.full(len(hashes[-1]), float(figure), np.float32))
    known, order = np.unique(np.concatenate(hashes), return_index=True)
    return known, np.concatenate(bits)[order]
