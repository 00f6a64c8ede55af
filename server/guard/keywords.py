"""One pass over a text for any number of words (Aho-Corasick)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar, cast

import ahocorasick  # pyright: ignore[reportMissingTypeStubs]

Meaning = TypeVar("Meaning")


class _Automaton(Protocol):
    def add_word(self, word: str, meaning: Any) -> object: ...
    def make_automaton(self) -> object: ...
    def iter(self, text: str) -> Iterator[tuple[int, Any]]: ...


class KeywordPass(Generic[Meaning]):
    """Words, each with what it means."""

    def __init__(self, words: Mapping[str, Meaning]) -> None:
        self._is_empty = not words
        self._automaton = cast(_Automaton, ahocorasick.Automaton())  # pyright: ignore
        for word, meaning in words.items():
            self._automaton.add_word(word, meaning)
        self._automaton.make_automaton()

    def hits(self, text: str) -> Iterator[tuple[int, Meaning]]:
        """Offset of the last character and meaning of each word in `text`, in order of the ends."""
        return iter(()) if self._is_empty else self._automaton.iter(text)


def lowered(text: str) -> str:
    """`text` in lower case with unchanged offsets: the few letters that grow become `?`."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.encode("ascii", "replace").decode().lower()
