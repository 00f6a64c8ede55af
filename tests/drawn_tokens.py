"""Draws a text that matches a pattern of the token table: no token stands in the repository.

Knows what the table uses: literals, classes, groups, alternatives and counted repeats.
"""

from __future__ import annotations

import random
from string import ascii_letters, digits

LONGEST_EXTRA = 8
"""A repeat without an upper limit is drawn at most this much longer than it must be."""
_SHORTHANDS = {"d": digits, "w": ascii_letters + digits + "_"}


def drawn(pattern: str, seed: str) -> str:
    """A random text of the pattern, the same for the same seed."""
    return _Draw(pattern, random.Random(seed)).alternatives()


def filled(pattern: str, seed: str) -> str:
    """A text of the pattern in which every drawn run is one letter over and over."""
    return _Draw(pattern, random.Random(seed), is_filled=True).alternatives()


class _Draw:
    def __init__(self, pattern: str, chance: random.Random, *, is_filled: bool = False) -> None:
        self._pattern = pattern
        self._chance = chance
        self._is_filled = is_filled
        self._at = 0

    def alternatives(self) -> str:
        """Draws every alternative and keeps one: each must be read anyway."""
        texts = [self._sequence()]
        while self._next("|"):
            texts.append(self._sequence())
        return self._chance.choice(texts)

    def _sequence(self) -> str:
        text = ""
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            start = self._at
            piece = self._atom()
            least, most = self._repeat()
            end, count = self._at, self._chance.randint(least, most)
            if count and self._is_filled and self._pattern[start] in "[\\":
                text += piece * count
            else:
                for _ in range(count):
                    self._at = start
                    text += self._atom()
            self._at = end
        return text

    def _atom(self) -> str:
        if self._next("(?:") or self._next("(?i:"):
            text = self.alternatives()
            assert self._next(")")
            return text
        if self._next("["):
            return self._chance.choice(self._members())
        letter = self._take()
        return self._escaped() if letter == "\\" else letter

    def _members(self) -> str:
        members = ""
        while not self._next("]"):
            letter = self._take()
            if letter == "\\":
                escaped = self._pattern[self._at]
                self._at += 1
                members += _SHORTHANDS.get(escaped, escaped)
            elif self._pattern[self._at] == "-" and self._pattern[self._at + 1] != "]":
                self._at += 1
                members += "".join(map(chr, range(ord(letter), ord(self._take()) + 1)))
            else:
                members += letter
        return members

    def _escaped(self) -> str:
        letter = self._take()
        return self._chance.choice(_SHORTHANDS[letter]) if letter in _SHORTHANDS else letter

    def _repeat(self) -> tuple[int, int]:
        if self._next("?"):
            return 0, 1
        if not self._next("{"):
            return 1, 1
        end = self._pattern.index("}", self._at)
        least, comma, most = self._pattern[self._at : end].partition(",")
        self._at = end + 1
        if not comma:
            return int(least), int(least)
        return int(least), int(most) if most else int(least) + LONGEST_EXTRA

    def _next(self, text: str) -> bool:
        if self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _take(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1]
