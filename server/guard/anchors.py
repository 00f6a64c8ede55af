"""Runs of few tokens that point to places in known texts where both may agree further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import ceil
from typing import NamedTuple

import numpy as np

from server.guard.evidence import Bits
from server.guard.winnow import LEAST_TOKENS, Fingerprints, Hashes, Offsets

ANCHOR_TOKENS = 5
MOST_ALIKE = 4
"""So many places does an anchor point to."""
MOST_ANCHORS = 200
"""Compared in one suggestion."""
_PART_SHARE = 0.75
_LEAST_MASK_BITS, _MOST_MASK_BITS, _SPARE_MASK_BITS = 10, 18, 3
_FACTORS = np.array(
    [pow(0xD1342543DE82EF95, n, 1 << 64) for n in range(1, ANCHOR_TOKENS + 1)], np.uint64
)
_UPPER = np.uint64(32)


def short_runs(hashes: Hashes) -> Fingerprints:
    """A figure for each run of ANCHOR_TOKENS, in order."""
    if len(hashes) < ANCHOR_TOKENS:
        return np.zeros(0, np.uint32)
    # the tokens' hashes are even already, so the upper half of a sum of multiples is
    return (np.correlate(hashes, _FACTORS, "valid") >> _UPPER).astype(np.uint32)


class _Place(NamedTuple):
    """An anchor in the known texts."""

    token: int
    """Where it begins."""
    first: int
    second: int
    """Its probes."""
    is_long: bool


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
        runs = short_runs(known)
        _, kinds = np.unique(runs, return_inverse=True)
        says = bits[ANCHOR_TOKENS:] - bits[: len(runs)]
        taken = np.zeros(len(runs), np.int64)
        found: list[_Place] = []
        for (begin, end), (first, second) in zip(texts, probes, strict=True):
            for low, high in _ranges(end - begin, share):
                among = slice(begin + low, begin + high)
                free = taken[kinds[among]] < MOST_ALIKE
                best = begin + low + int(np.where(free, says[among], 0).argmax())
                taken[kinds[best]] += 1
                if taken[kinds[best]] <= MOST_ALIKE and says[best] >= least_bits:
                    is_long = end - begin > LEAST_TOKENS
                    around = _around(best, begin, end, share) if is_long else (first, second)
                    found.append(_Place(best, *around, is_long))
        self._by_run: dict[int, list[_Place]] = {}
        numbers = runs[[one.token for one in found]]
        for run, one in zip(numbers.tolist(), found, strict=True):
            self._by_run.setdefault(run, []).append(one)
        size = len(found).bit_length() + _SPARE_MASK_BITS
        size = max(_LEAST_MASK_BITS, min(_MOST_MASK_BITS, size))
        self._shift = np.uint32(32 - size)
        self._mask = np.zeros(1 << size, np.bool_)
        self._mask[numbers >> self._shift] = True

    def hits(self, runs: Fingerprints, said: Hashes) -> Iterator[tuple[int, int]]:
        """Pairs of a token of a text and one of the known ones where an anchor begins.

        `runs` are those of the tokens `said`. Only pairs that also agree where they are probed.
        """
        # most runs are in no known text: asking one bit is quicker than a search
        maybe = self._mask[runs >> self._shift].nonzero()[0]
        return islice(self._agreeing(maybe, runs[maybe], said), MOST_ANCHORS)

    def _agreeing(
        self, maybe: Offsets, runs: Fingerprints, said: Hashes
    ) -> Iterator[tuple[int, int]]:
        ours, known, last = said.data, self._known.data, len(said) - 1

        def agrees(probe: int, offset: int) -> bool:
            """A probe outside of `said` is compared with its nearest token: this only sorts out."""
            return bool(ours[min(max(probe + offset, 0), last)] == known[probe])

        for here, run in zip(maybe.tolist(), runs.tolist(), strict=True):
            for there, first, second, is_long in self._by_run.get(run, ()):
                # a long text is asked for one of its probes, a short one for both
                is_said = agrees(first, here - there)
                if is_said if is_said == is_long else agrees(second, here - there):
                    yield here, there


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
