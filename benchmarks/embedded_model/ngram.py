"""A back-off model of counted token sequences: what the network must be better than."""

from dataclasses import dataclass
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
ORDER = 5


@dataclass(frozen=True)
class _Level:
    """The different sequences of one length, each as (id of all but its last token, that token)."""

    keys: Ints
    """Sorted: id * vocabulary + token; the place in here is the sequence's id."""
    counts: Ints
    """Of the longest: occurrences; of the others: different tokens seen in front of it."""
    discount: float


class NGrams:
    """Interpolated Kneser-Ney with one discount a length.

    Chen and Goodman, An Empirical Study of Smoothing Techniques for Language Modeling, section 2.7.
    """

    def __init__(self, tokens: Ints, vocabulary: int, order: int = ORDER) -> None:
        self.vocabulary = vocabulary
        self._levels = _levels(tokens.astype(np.int64), vocabulary, order)

    def distribution(self, context: list[int]) -> Floats:
        """Probabilities (vocabulary,) of the token that follows `context`."""
        p = np.full(self.vocabulary, 1.0 / self.vocabulary)
        for length in range(min(len(self._levels), len(context) + 1)):
            head = self._id(context[len(context) - length :])
            if head is None:
                break
            level = self._levels[length]
            start, end = np.searchsorted(
                level.keys, [head * self.vocabulary, (head + 1) * self.vocabulary]
            )
            counts = level.counts[start:end]
            total = counts.sum()
            if total == 0:
                continue
            p *= level.discount * np.count_nonzero(counts) / total
            following = level.keys[start:end] - head * self.vocabulary
            p[following] += np.maximum(counts - level.discount, 0.0) / total
        return p

    def greedy(self, prefix: list[int], stops: frozenset[int], tokens: int) -> list[int]:
        """At most `tokens` most probable tokens after `prefix`, up to one of `stops`."""
        said: list[int] = []
        for _ in range(tokens):
            context = [*prefix[-ORDER:], *said][-ORDER:]
            best = int(self.distribution(context).argmax())
            if best in stops:
                break
            said.append(best)
        return said

    def loss(self, ids: list[int]) -> float:
        """Summed nats of each token of `ids` but the first, given those before it."""
        return -sum(
            float(np.log(self.distribution(ids[max(0, i - ORDER) : i])[ids[i]]))
            for i in range(1, len(ids))
        )

    def _id(self, sequence: list[int]) -> int | None:
        at = 0
        for level, token in zip(self._levels, sequence, strict=False):
            key = at * self.vocabulary + token
            at = int(np.searchsorted(level.keys, key))
            if at == len(level.keys) or level.keys[at] != key:
                return None
        return at


def _levels(tokens: Ints, vocabulary: int, order: int) -> list[_Level]:
    levels: list[_Level] = []
    ids = np.zeros(len(tokens), np.int64)
    keys: Ints = np.empty(0, np.int64)
    for length in range(1, order + 1):
        # A sequence that ends at place i has what came before it ending at place i - 1.
        heads = np.zeros_like(ids) if length == 1 else np.roll(ids, 1)
        longer = heads * vocabulary + tokens
        longer[: length - 1] = longer[length - 1]  # nothing so long ends at the first places
        found, first, inverse, times = np.unique(
            longer, return_index=True, return_inverse=True, return_counts=True
        )
        if length > 1:
            in_front = np.bincount(ids[np.maximum(first, length - 1)], minlength=len(keys))
            levels.append(_level(keys, in_front))
        keys, ids = found, inverse.astype(np.int64)
        if length == order:
            times[ids[0]] -= length - 1
            levels.append(_level(keys, times))
    return levels


def _level(keys: Ints, counts: Ints) -> _Level:
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    return _Level(keys, counts, once / (once + 2 * twice) if once else 0.5)
