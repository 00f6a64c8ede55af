"""Finds texts again that were reformatted, requoted, renamed in, or of which only a part is said.

A few tokens in common (an anchor, the rarest that a text has) point to a place in a known text;
from there both are compared token by token. How much must agree:

- the tokens themselves: all of the text (5 tokens and 16 characters at least); or any 40; or its
  last 3/5 at the beginning of the suggestion; or all but its first word, which is cut off; or any
  3/4 that few other lines of code would have in common (`code_shape`);
- after consistent renaming: 9/10 of a text of 12 tokens, or any 40, with as much evidence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.guard.code_shape import Shape, exact_evidence, renamed_evidence, shape
from server.guard.winnow import LEAST_TOKENS, Fingerprints, Hashes, grams

EXACT_TOKENS = 5
RENAMED_TOKENS = 12
LEAST_CHARS = 16
TAIL_SHARE, PART_SHARE, RENAMED_SHARE = 0.6, 0.75, 0.9
PART_EVIDENCE, RENAMED_EVIDENCE = 40.0, 26.0
"""In bits."""
MOST_ALIKE = 8
"""So many places does an anchor point to."""
MOST_ANCHORS = 200
"""Compared in one suggestion."""
_LEAST_NEW_TOKENS = 4
"""Of a part, so many tokens must be suggested; the user may have typed the others."""


class Variant(NamedTuple):
    """A run of tokens that comes from a known text."""

    text: int
    """Its number."""
    start: int
    end: int
    is_renamed: bool


class _Run(NamedTuple):
    """Tokens of a known text that agree with those of another."""

    number: int
    begin: int
    """The first of them among all known tokens."""
    length: int
    offset: int
    """From the place in the other text to the one among the known tokens."""


@dataclass(frozen=True)
class _Anchors:
    runs: Fingerprints
    """Sorted, each at most MOST_ALIKE times."""
    places: NDArray[np.int64]
    """The token at which each begins, over all texts."""
    length: int


class VariantIndex:
    """Known texts, numbered from 0."""

    def __init__(self, texts: Sequence[str]) -> None:
        # A sign that is no part of code keeps anchors from running from one text into the next.
        self._text = "\n\u2400\n".join(text.replace("\u2400", " ") for text in texts)
        self._known = shape(self._text)
        is_gap = self._known.exact == _GAP
        self._gaps = [-1, *np.flatnonzero(is_gap).tolist(), len(self._known)]
        self._exact = _anchors(self._known.exact, self._gaps, EXACT_TOKENS, TAIL_SHARE)
        self._renamed = _anchors(self._known.kinds, self._gaps, RENAMED_TOKENS, RENAMED_SHARE)

    def find(self, text: str, said: Shape, new_start: int) -> Iterator[Variant]:
        """Runs of `text` that are variants and reach beyond `new_start`, where the new text begins.

        `said` is the shape of `text`. What is said of one known text is said once.
        """
        first_new = int(np.searchsorted(said.ends, new_start, "right"))
        reported: set[int] = set()
        for is_renamed, anchors in ((False, self._exact), (True, self._renamed)):
            run = _Run(-1, 0, 0, 0)
            for here, there in _hits(anchors, said.kinds if is_renamed else said.exact):
                if run.offset == there - here and run.begin <= there < run.begin + run.length:
                    continue  # a run is found at each of its tokens
                number = bisect_left(self._gaps, there) - 1
                if number in reported:
                    continue
                run = self._run(said, here, there, number, is_renamed)
                is_new = _is_new(run, first_new, self._size(number))
                if is_new and self._is_variant(said, text, run, first_new, is_renamed):
                    reported.add(number)
                    start, end = self._span(said, text, run)
                    yield Variant(number, start, end, is_renamed)

    def _size(self, number: int) -> int:
        return self._gaps[number + 1] - self._gaps[number] - 1

    def _run(self, said: Shape, here: int, there: int, number: int, is_renamed: bool) -> _Run:
        """The longest run around both places; of length 0 where it is no consistent renaming."""
        first, stop = self._gaps[number] + 1, self._gaps[number + 1]
        offset = there - here
        # most runs end after a few tokens: a step costs less than a comparison of arrays
        one = (self._known.kinds if is_renamed else self._known.exact).data
        other = (said.kinds if is_renamed else said.exact).data
        begin, low = there, max(first, offset)
        while begin > low and one[begin - 1] == other[begin - 1 - offset]:
            begin -= 1
        end, high = there, min(stop, len(other) + offset)
        while end < high and one[end] == other[end - offset]:
            end += 1
        run = _Run(number, begin, end - begin, offset)
        if is_renamed and not _is_renaming(
            self._known.exact[begin:end], said.exact[begin - offset : end - offset]
        ):
            return run._replace(length=0)
        return run

    def _is_variant(
        self, said: Shape, text: str, run: _Run, first_new: int, is_renamed: bool
    ) -> bool:
        size, begin, length = self._size(run.number), run.begin, run.length
        if is_renamed:
            is_long = length >= max(RENAMED_TOKENS, min(RENAMED_SHARE * size, LEAST_TOKENS))
            return is_long and renamed_evidence(self._known, begin, length) >= RENAMED_EVIDENCE
        starts, ends = self._known.starts, self._known.ends
        if length < EXACT_TOKENS or int(ends[begin + length - 1] - starts[begin]) < LEAST_CHARS:
            return False
        if length == size or length >= LEAST_TOKENS:
            return True
        is_tail = begin + length == self._gaps[run.number + 1]
        if is_tail and length >= TAIL_SHARE * size and self._is_cut(said, text, run, first_new):
            return True
        is_part = length >= PART_SHARE * size
        return is_part and exact_evidence(self._known, begin, length) >= PART_EVIDENCE

    def _is_cut(self, said: Shape, text: str, run: _Run, first_new: int) -> bool:
        """Whether a tail begins where the suggestion does, or after the rest of a word."""
        return run.begin - run.offset == first_new or self._rest(said, text, run) is not None

    def _rest(self, said: Shape, text: str, run: _Run) -> int | None:
        """Where the rest of the word begins that a text begins with: `turn` of `return`."""
        at = run.begin - run.offset
        if at == 0 or run.begin != self._gaps[run.number] + 2:
            return None
        word = text[int(said.starts[at - 1]) : int(said.ends[at - 1])]
        before = slice(int(self._known.starts[run.begin - 1]), int(self._known.ends[run.begin - 1]))
        known = self._text[before]
        return int(said.starts[at - 1]) if known.endswith(word) and known != word else None

    def _span(self, said: Shape, text: str, run: _Run) -> tuple[int, int]:
        at = run.begin - run.offset
        start, end = int(said.starts[at]), int(said.ends[at + run.length - 1])
        rest = self._rest(said, text, run)
        return (start if rest is None else rest), end


def _is_new(run: _Run, first_new: int, size: int) -> bool:
    """Whether enough of a run is suggested; the rest of it the user has typed."""
    at = run.begin - run.offset
    new = at + run.length - max(at, first_new)
    return new > 0 and (run.length == size or new >= min(_LEAST_NEW_TOKENS, run.length))


def _is_renaming(one: Hashes, other: Hashes) -> bool:
    """Whether each name of one text stands for one name of the other, everywhere."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs})


def _anchors(known: Hashes, gaps: Sequence[int], length: int, share: float) -> _Anchors:
    """The rarest anchors of each text, where any part of it that counts must have one."""
    runs = grams(known, length)
    if not len(runs):
        return _Anchors(runs, np.zeros(0, np.int64), length)
    _, kinds, counts = np.unique(runs, return_inverse=True, return_counts=True)
    alike = counts[kinds]
    places: list[int] = []
    taken = np.zeros(len(counts), np.int64)
    for gap, end in pairwise(gaps):
        begin = gap + 1
        for low, high in _ranges(end - begin, length, share):
            best = begin + low + int(alike[begin + low : begin + high].argmin())
            taken[kinds[best]] += 1
            if taken[kinds[best]] <= MOST_ALIKE:
                places.append(best)
    chosen = np.array(places, np.int64)
    order = np.argsort(runs[chosen], kind="stable")
    return _Anchors(runs[chosen][order], chosen[order], length)


def _ranges(size: int, length: int, share: float) -> Iterator[tuple[int, int]]:
    """Where in a text of `size` tokens anchors may begin: one is taken from each range."""
    last = size - length
    if last < 0:
        return
    low = min(ceil((1 - share) * size), last)
    yield low, max(low, min(last, int(max(share, PART_SHARE) * size) - length)) + 1
    if size > LEAST_TOKENS:  # any 40 tokens hold one whole step
        step = (LEAST_TOKENS - length) // 2
        for begin in range(0, last + 1, step):
            yield begin, min(begin + step, last + 1)


def _hits(anchors: _Anchors, said: Hashes) -> Iterator[tuple[int, int]]:
    """Pairs of a token of the suggestion and one of the known texts where an anchor begins."""
    runs = grams(said, anchors.length)
    if not len(runs) or not len(anchors.runs):
        return
    lefts = np.searchsorted(anchors.runs, runs)
    is_hit = anchors.runs[np.minimum(lefts, len(anchors.runs) - 1)] == runs
    count = 0
    for here in np.flatnonzero(is_hit).tolist():
        left = int(lefts[here])
        for place in range(left, min(left + MOST_ALIKE, len(anchors.runs))):
            if anchors.runs[place] != runs[here]:
                break
            yield here, int(anchors.places[place])
            count += 1
        if count >= MOST_ANCHORS:
            return


_GAP = shape("\u2400").exact[0]
