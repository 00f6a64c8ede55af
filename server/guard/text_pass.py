"""One pass over a text for any number of known texts: each is looked for by eight of its letters.

Those eight are the ones that the fewest other texts have, so nearly every place is passed over by
arithmetic on whole arrays. A shorter text is a keyword among others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from server.guard.keywords import KeywordPass

KEY_CHARS = 8
_LEAST_MASK_BITS, _MOST_MASK_BITS, _SPARE_MASK_BITS = 10, 18, 4
_COUNTED_BITS = 20
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Meaning = TypeVar("Meaning")
Keys = NDArray[np.uint64]


class TextPass(Generic[Meaning]):
    """Texts, each with what it means."""

    def __init__(self, texts: Mapping[str, Meaning]) -> None:
        self._texts = texts
        self._short = KeywordPass({one: one for one in texts if len(one) < KEY_CHARS})
        self._by_key: dict[int, list[tuple[str, int]]] = {}
        long = [one for one in texts if len(one) >= KEY_CHARS]
        every = [_keys(one) for one in long]
        joined = np.concatenate(every) if every else np.zeros(0, np.uint64)
        alike = np.bincount(_slots(joined, _COUNTED_BITS), minlength=1 << _COUNTED_BITS)
        for text, keys in zip(long, every, strict=True):
            rarest = int(alike[_slots(keys, _COUNTED_BITS)].argmin())
            self._by_key.setdefault(int(keys[rarest]), []).append((text, rarest))
        bits = len(self._by_key).bit_length() + _SPARE_MASK_BITS
        self._bits = max(_LEAST_MASK_BITS, min(_MOST_MASK_BITS, bits))
        self._mask = np.zeros(1 << self._bits, np.bool_)
        self._mask[_slots(np.array([*self._by_key], np.uint64), self._bits)] = True

    def hits(self, text: str) -> Iterator[tuple[int, Meaning]]:
        """Where each known text ends in `text`, the end not included, and what it means.

        In order of the ends; of several with one end, the longest first.
        """
        found = [(last + 1, -len(one), one) for last, one in self._short.hits(text)]
        keys = _keys(text)
        maybe = self._mask[_slots(keys, self._bits)].nonzero()[0]
        for at, key in zip(maybe.tolist(), keys[maybe].tolist(), strict=True):
            for one, shift in self._by_key.get(key, ()):
                if at >= shift and text.startswith(one, at - shift):
                    found.append((at - shift + len(one), -len(one), one))
        for end, _, one in sorted(found):
            yield end, self._texts[one]


def _keys(text: str) -> Keys:
    """Each eight letters in a row as one number; all letters outside ASCII count as one."""
    letters = text.encode("ascii", "replace")
    return np.ndarray(max(0, len(letters) - KEY_CHARS + 1), np.uint64, letters, strides=(1,))


def _slots(keys: Keys, bits: int) -> Keys:
    return keys * _FACTOR >> np.uint64(64 - bits)
