"""Keeps what was read for the last few documents, so that a keystroke reads only what is new."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from server.engine.sequence import Sequence as Read

DOCUMENTS = 4
MOST_BYTES = 512 * 2**20


class PrefixCache:
    """The sequences of one generation, by document; the one longest unused goes first."""

    def __init__(
        self, fresh: Callable[[], Read], documents: int = DOCUMENTS, most_bytes: int = MOST_BYTES
    ) -> None:
        self._fresh = fresh
        self._documents = documents
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, Read] = OrderedDict()
        self._asked_about: str | None = None
        """The document somebody works in: what is only warmed never takes its place."""
        self._lock = threading.Lock()  # a swap clears while a request runs

    def take(self, document: str, ids: Sequence[int]) -> Read:
        """A sequence that has read a beginning of `ids`, at most all but the last one."""
        with self._lock:
            sequence = self._kept.pop(document, None)
        if sequence is None:
            return self._fresh()
        shared = min(common_length(sequence.tokens, ids), len(ids) - 1)
        return sequence if sequence.rewind(shared) else self._fresh()

    def keep(self, document: str, sequence: Read, *, is_warmed: bool = False) -> None:
        """Give a sequence back for the document's next request.

        `is_warmed`: it was read ahead, and nobody has asked for a suggestion yet.
        """
        with self._lock:
            if not is_warmed:
                self._asked_about = document
            self._kept[document] = sequence
            self._kept.move_to_end(document)
            while len(self._kept) > self._documents or self.size_bytes > self._most_bytes:
                oldest = (name for name in self._kept if name != self._asked_about)
                del self._kept[next(oldest, document)]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    @property
    def size_bytes(self) -> int:
        """Memory held by keys and values."""
        return sum(sequence.size_bytes for sequence in self._kept.values())


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading ids are the same."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))
