"""Finds secrets of which only the beginning or the end is said.

A ban at decode time makes the model leave out the first tokens of a secret, not the rest of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from server.guard.keywords import KeywordPass

ANCHOR_CHARS = 12
LEAST_SHARE = 2 / 3
"""Of a secret's characters: what many secrets have in common (`postgres://...`) is shorter."""
MOST_ALIKE = 8
MOST_HITS = 200


class SecretEnds:
    """Secrets, numbered from 0; those below 18 characters have no part that is worth finding."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets
        anchors: dict[str, tuple[tuple[int, bool], ...]] = {}
        for number, secret in enumerate(secrets):
            if len(secret) * LEAST_SHARE < ANCHOR_CHARS:
                continue
            for anchor, is_head in (
                (secret[:ANCHOR_CHARS], True),
                (secret[-ANCHOR_CHARS:], False),
            ):
                if len(anchors.get(anchor, ())) < MOST_ALIKE:
                    anchors[anchor] = (*anchors.get(anchor, ()), (number, is_head))
        self._anchors = KeywordPass(anchors)

    def find(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Number, start and end of each secret of which `text` says two thirds or more."""
        for count, (last, known) in enumerate(self._anchors.hits(text)):
            if count == MOST_HITS:
                return
            for number, is_head in known:
                secret = self._secrets[number]
                start, end = last + 1 - ANCHOR_CHARS, last + 1
                if is_head:
                    end = start + _common(secret, text[start : start + len(secret)])
                else:
                    before = text[max(0, end - len(secret)) : end]
                    start = end - _common(secret[::-1], before[::-1])
                if end - start >= LEAST_SHARE * len(secret):
                    yield number, start, end


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    for length, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return length
    return min(len(one), len(other))
