"""Finds texts again that were reformatted, requoted, renamed in, or of which only a part is said.

A few tokens in common (an anchor, the rarest that a text has) point to a place in a known text;
from there both are compared token by token. How much must agree:

- the tokens themselves: all of the text (5 tokens and 16 characters at least); or any 40; or its
  last 3/5 at the beginning of the suggestion; or all but its first word, which is cut off; or any
  3/4 that few other lines of code would have in common (`evidence`);
- after consistent renaming: 9/10 of a text, or any 40 tokens, with more evidence the more texts
  there are. Of 12 tokens or more it is a finding, of fewer a hint.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import log2
from typing import NamedTuple

import numpy as np

from server.guard.anchors import ANCHOR_TOKENS, Anchors, short_runs
from server.guard.code_shape import Shape, shape
from server.guard.evidence import evidence
from server.guard.winnow import LEAST_TOKENS, Hashes

SURE_TOKENS = 12
"""With its names changed, a text of fewer is only hinted at."""
LEAST_CHARS = 16
TAIL_SHARE, PART_SHARE, RENAMED_SHARE = 0.6, 0.75, 0.9
PART_BITS, RENAMED_BITS = 80.0, 20.0
"""Of evidence. For renamed texts those of their number are added: with twice as many, ordinary code
is like one of them twice as often."""
LEAST_ANCHOR_BITS = 14.0
"""With names renamed; what says less is everywhere, and so it would point anywhere."""
_LEAST_NEW_TOKENS = 4
"""Of a part, so many tokens must be suggested; the user may have typed the others."""
_IMPORT = re.compile(r"(?:from|import|#include|using|use|require)\b")
"""Of two that differ in names neither is a form of the other."""


class Variant(NamedTuple):
    """A run of tokens that comes from a known text."""

    text: int
    """Its number."""
    start: int
    end: int
    is_sure: bool
    """Not where few tokens are like it with other names: usual code may be."""


class _Run(NamedTuple):
    """Tokens of a known text that agree with those of another."""

    number: int
    begin: int
    """The first of them among all known tokens."""
    length: int
    offset: int
    """From the place in the other text to the one among the known tokens."""


class Said:
    """A text in which known ones are looked for."""

    def __init__(self, text: str, new_start: int) -> None:
        """`new_start`: where the suggestion begins in it."""
        self.text = text
        self.shape = shape(text)
        self.first_new = int(np.searchsorted(self.shape.ends, new_start, "right"))
        self.exact = short_runs(self.shape.exact)
        self.kinds = short_runs(self.shape.kinds)


class VariantIndex:
    """Known texts, numbered from 0."""

    def __init__(self, texts: Sequence[str], among: int) -> None:
        """`among`: how many there are with those of other indexes."""
        # A sign that is no part of code keeps anchors from running from one text into the next.
        self._text = "\n\u2400\n".join(text.replace("\u2400", " ") for text in texts)
        self._known = shape(self._text)
        is_gap = self._known.exact == _GAP
        self._gaps = [-1, *np.flatnonzero(is_gap).tolist(), len(self._known)]
        places = [(gap + 1, end) for gap, end in pairwise(self._gaps)][: len(texts)]
        self._evidence = evidence(self._known, np.cumsum(is_gap))
        self._renamed_bits = RENAMED_BITS + log2(max(1, among))
        same, kinds = self._evidence.same, self._evidence.kinds
        probes = [_probes(begin, end, float(same[end] - same[begin])) for begin, end in places]
        self._exact = Anchors(self._known.exact, places, same, 0.0, TAIL_SHARE, probes)
        telling = [
            (begin, end)
            for text, (begin, end) in zip(texts, places, strict=True)
            if same[end] - same[begin] >= self._renamed_bits and not _IMPORT.match(text)
        ]
        probes = [_renamed_probes(begin, end) for begin, end in telling]
        self._renamed = Anchors(
            self._known.kinds, telling, kinds, LEAST_ANCHOR_BITS, RENAMED_SHARE, probes
        )

    def find(self, said: Said) -> Iterator[Variant]:
        """Runs of `said` that are variants and reach into the suggestion.

        What is said of one known text is said once.
        """
        reported: set[int] = set()
        ours = said.shape
        for is_renamed, anchors in ((False, self._exact), (True, self._renamed)):
            compared: dict[int, int] = {}
            tokens = (said.kinds, ours.kinds) if is_renamed else (said.exact, ours.exact)
            for here, there in anchors.hits(*tokens):
                offset = there - here
                if here < compared.get(offset, 0):
                    continue  # a run is found at each of its tokens
                number = bisect_left(self._gaps, there) - 1
                if number in reported:
                    continue
                run = self._run(ours, here, there, number, is_renamed)
                compared[offset] = run.begin + max(run.length, 1) - offset
                is_new = _is_new(run, said.first_new, self._size(number))
                if is_new and self._is_variant(said, run, is_renamed):
                    reported.add(number)
                    start, end = self._span(said, run)
                    is_sure = not is_renamed or run.length >= SURE_TOKENS
                    yield Variant(number, start, end, is_sure)

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
        return _Run(number, begin, end - begin, offset)

    def _is_variant(self, said: Said, run: _Run, is_renamed: bool) -> bool:
        size, begin, length = self._size(run.number), run.begin, run.length
        if is_renamed:
            is_long = length >= min(RENAMED_SHARE * size, LEAST_TOKENS)
            return is_long and self._bits(said.shape, run) >= self._renamed_bits
        starts, ends = self._known.starts, self._known.ends
        if length < ANCHOR_TOKENS or int(ends[begin + length - 1] - starts[begin]) < LEAST_CHARS:
            return False
        if length == size or length >= LEAST_TOKENS:
            return True
        is_tail = begin + length == self._gaps[run.number + 1]
        if is_tail and length >= TAIL_SHARE * size and self._is_cut(said, run):
            return True
        is_part = length >= PART_SHARE * size
        return is_part and self._evidence.of_same(begin, begin + length) >= PART_BITS

    def _bits(self, said: Shape, run: _Run) -> float:
        """What a run says whose names are changed; 0 where it is no consistent renaming."""
        begin, end = run.begin, run.begin + run.length
        one, other = self._known.exact[begin:end], said.exact[begin - run.offset : end - run.offset]
        if not _is_renaming(one, other):
            return 0.0
        return self._evidence.of_renamed(begin, end, one == other)

    def _is_cut(self, said: Said, run: _Run) -> bool:
        """Whether a tail begins where the suggestion does, or after the rest of a word."""
        return run.begin - run.offset == said.first_new or self._rest(said, run) is not None

    def _rest(self, said: Said, run: _Run) -> int | None:
        """Where the rest of the word begins that a text begins with: `turn` of `return`."""
        at = run.begin - run.offset
        if at == 0 or run.begin != self._gaps[run.number] + 2:
            return None
        starts, ends = said.shape.starts, said.shape.ends
        word = said.text[int(starts[at - 1]) : int(ends[at - 1])]
        before = slice(int(self._known.starts[run.begin - 1]), int(self._known.ends[run.begin - 1]))
        known = self._text[before]
        return int(starts[at - 1]) if known.endswith(word) and known != word else None

    def _span(self, said: Said, run: _Run) -> tuple[int, int]:
        at = run.begin - run.offset
        start, end = int(said.shape.starts[at]), int(said.shape.ends[at + run.length - 1])
        rest = self._rest(said, run)
        return (start if rest is None else rest), end


def _probes(begin: int, end: int, bits: float) -> tuple[int, int]:
    """Two tokens of a text that every form of it has: the last too, where no part says enough."""
    size = end - begin
    return begin + int(0.45 * size), end - 1 if bits < PART_BITS else begin + int(0.65 * size)


def _renamed_probes(begin: int, end: int) -> tuple[int, int]:
    """The first and the last token that a renamed text has in any case."""
    spare = int((1 - RENAMED_SHARE) * (end - begin) + 1e-9)
    return begin + spare, end - 1 - spare


def _is_new(run: _Run, first_new: int, size: int) -> bool:
    """Whether enough of a run is suggested; the rest of it the user has typed."""
    at = run.begin - run.offset
    new = at + run.length - max(at, first_new)
    return new > 0 and (run.length == size or new >= min(_LEAST_NEW_TOKENS, run.length))


def _is_renaming(one: Hashes, other: Hashes) -> bool:
    """Whether each changed name of one text stands for one name of the other.

    What is not changed does not count: words of strings and comments may be names elsewhere.
    """
    pairs = {(mine, its) for mine, its in zip(one.tolist(), other.tolist(), strict=True)}
    changed = {pair for pair in pairs if pair[0] != pair[1]}
    return len(changed) == len({pair[0] for pair in changed}) == len({pair[1] for pair in changed})


_GAP = shape("\u2400").exact[0]
