"""Runs of few tokens that point to places in known texts where both may agree further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from server.guard.evidence import Bits
from server.guard.winnow import LEAST_TOKENS, Fingerprints, Hashes, grams

ANCHOR_TOKENS = 5
MOST_ALIKE = 4
"""So many places does an anchor point to."""
MOST_ANCHORS = 200
"""Compared in one suggestion."""
_PART_SHARE = 0.75
_MOST_MASK_BITS, _SPARE_MASK_BITS = 18, 3

Places = NDArray[np.int64]


class Anchors:
    """The anchors of some texts: of each the run that says most, where any part of the text that
    counts must have one."""

    def __init__(
        self,
        known: Hashes,
        texts: Sequence[tuple[int, int]],
        bits: Bits,
        least_bits: float,
        share: float,
        probes: Sequence[tuple[int, int]],
    ) -> None:
        """`texts`: the first token of each and the one behind it; `bits`: sums over all tokens.

        `share`: so much of a text counts, and whatever counts has the tokens at both its `probes`;
        of a long text any 40 tokens count too, so it is asked for one of two around the anchor.
        """
        self._known = known
        runs = grams(known, ANCHOR_TOKENS)
        _, kinds = np.unique(runs, return_inverse=True)
        says = bits[ANCHOR_TOKENS:] - bits[: len(runs)]
        taken = np.zeros(len(runs), np.int64)
        found: list[tuple[int, int, int, bool]] = []
        for (begin, end), (first, second) in zip(texts, probes, strict=True):
            for low, high in _ranges(end - begin, share):
                among = slice(begin + low, begin + high)
                free = taken[kinds[among]] < MOST_ALIKE
                best = begin + low + int(np.where(free, says[among], 0).argmax())
                taken[kinds[best]] += 1
                if taken[kinds[best]] <= MOST_ALIKE and says[best] >= least_bits:
                    is_long = end - begin > LEAST_TOKENS
                    around = _around(best, begin, end, share) if is_long else (first, second)
                    found.append((best, *around, is_long))
        places = np.array(found, np.int64).reshape(-1, 4)
        places = places[np.argsort(runs[places[:, 0]], kind="stable")]
        self._runs: Fingerprints = runs[places[:, 0]]
        self._places, self._first, self._second, is_long = np.ascontiguousarray(places.T)
        self._is_long = is_long.astype(np.bool_)
        size = min(_MOST_MASK_BITS, len(places).bit_length() + _SPARE_MASK_BITS)
        self._shift = np.uint32(32 - size)
        self._mask = np.zeros(1 << size, np.bool_)
        self._mask[self._runs >> self._shift] = True

    def hits(self, runs: Fingerprints, said: Hashes) -> Iterator[tuple[int, int]]:
        """Pairs of a token of a text and one of the known ones where an anchor begins.

        `runs` are those of the tokens `said`. Only pairs that also agree where they are probed.
        """
        # most runs are in no known text: asking one bit is quicker than a search
        maybe = np.flatnonzero(self._mask[runs >> self._shift])
        if not len(maybe):
            return iter(())
        lefts = np.searchsorted(self._runs, runs[maybe], "left")
        counts = np.searchsorted(self._runs, runs[maybe], "right") - lefts
        ends = np.cumsum(counts)
        here = np.repeat(maybe, counts)
        number = np.arange(len(here)) + np.repeat(lefts - ends + counts, counts)
        there = self._places[number]
        one = self._agrees(self._first[number], here - there, said)
        other = self._agrees(self._second[number], here - there, said)
        agree = (one & other) | (self._is_long[number] & (one | other))
        chosen = np.flatnonzero(agree)[:MOST_ANCHORS]
        return zip(here[chosen].tolist(), there[chosen].tolist(), strict=True)

    def _agrees(self, probe: Places, offset: Places, said: Hashes) -> NDArray[np.bool_]:
        """A probe outside of `said` is compared with its nearest token: this only sorts out."""
        return said.take(probe + offset, mode="clip") == self._known[probe]


def _around(anchor: int, begin: int, end: int, share: float) -> tuple[int, int]:
    """A token before the anchor and one behind it, of which a run that counts has either."""
    least = min(LEAST_TOKENS, int(share * (end - begin)))
    reach = (least - ANCHOR_TOKENS) // 2
    before, behind = anchor - reach, anchor + ANCHOR_TOKENS + reach
    return before if before >= begin else behind, behind if behind < end else before


def _ranges(size: int, share: float) -> Iterator[tuple[int, int]]:
    """Where in a text of `size` tokens anchors may begin: one is taken from each range."""
    last = size - ANCHOR_TOKENS
    if last < 0:
        return
    low = min(ceil((1 - share) * size), last)
    yield low, max(low, min(last, int(max(share, _PART_SHARE) * size) - ANCHOR_TOKENS)) + 1
    if size > LEAST_TOKENS:  # any 40 tokens hold one whole step
        step = (LEAST_TOKENS - ANCHOR_TOKENS) // 2
        for begin in range(0, last + 1, step):
            yield begin, min(begin + step, last + 1)
