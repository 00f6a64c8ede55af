"""The text around a suggestion as tree-sitter sees it, one byte for one character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Protocol

import tree_sitter_c_sharp
import tree_sitter_cpp
import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_php
import tree_sitter_rust
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Point, Range

from server.guard.finding import Case

BEFORE_CHARS = 2400
"""About sixty lines: where a text that the suggestion executes was built."""
AFTER_CHARS = 400
TREE_BEFORE_CHARS = 300
TREE_AFTER_CHARS = 800
"""Only so much around a word is parsed: a kilobyte costs about half a millisecond."""
MOST_PLACES = 12
"""Of a name above its use."""
PIECE_CHARS = 6000
MOST_PIECES = 8
"""Of a suggestion of more than PIECE_CHARS only so many pieces are looked at."""

_GRAMMARS = {
    "javascript": tree_sitter_javascript.language,
    "javascriptreact": tree_sitter_javascript.language,
    "typescript": tree_sitter_typescript.language_typescript,
    "typescriptreact": tree_sitter_typescript.language_tsx,
    "vue": tree_sitter_typescript.language_tsx,
    "svelte": tree_sitter_typescript.language_tsx,
    # C++ reads C as well, and a header does not say which of the two it is.
    "c": tree_sitter_cpp.language,
    "cpp": tree_sitter_cpp.language,
    "objective-c": tree_sitter_cpp.language,
    "objective-cpp": tree_sitter_cpp.language,
    "java": tree_sitter_java.language,
    "csharp": tree_sitter_c_sharp.language,
    "go": tree_sitter_go.language,
    "php": tree_sitter_php.language_php_only,
    "rust": tree_sitter_rust.language,
}


class Searcher(Protocol):
    """A compiled pattern, of whichever library."""

    def search(self, text: str, /) -> object | None: ...


@dataclass(frozen=True)
class Window:
    """A piece of the suggestion at [start, end) of some lines; all offsets are in `text`."""

    text: str
    """ASCII: other characters are question marks, so that bytes and characters count alike."""
    start: int
    end: int
    offset: int
    """Of the piece in the whole suggestion."""
    language: str
    _trees: list[tuple[int, int, Node]] = field(
        default_factory=list[tuple[int, int, Node]], init=False
    )
    _held: dict[Searcher, bool] = field(default_factory=dict[Searcher, bool], init=False)

    def tree_at(self, offset: int) -> Node | None:
        """The parsed text around `offset`; None for a language without a grammar here."""
        for low, high, root in self._trees:
            if low <= offset and (offset + TREE_AFTER_CHARS // 4 < high or high == len(self.text)):
                return root
        grammar = grammar_of(self.language)
        if grammar is None:
            return None
        low = self.text.rfind("\n", 0, max(0, offset - TREE_BEFORE_CHARS)) + 1
        low = max(low, offset - 2 * TREE_BEFORE_CHARS)
        high = min(len(self.text), offset + TREE_AFTER_CHARS)
        part = Range(Point(0, low), Point(0, high), low, high)
        # A parser holds state: one for each tree, which costs microseconds.
        root = Parser(grammar, included_ranges=[part]).parse(self._bytes).root_node
        self._trees.append((low, high, root))
        return root

    def holds(self, pattern: Searcher | None, *, is_wanted: bool) -> bool:
        """Whether the text matches `pattern`, if that is wanted, or does not; True without one."""
        if pattern is None:
            return True
        if pattern not in self._held:
            self._held[pattern] = bool(pattern.search(self.text))
        return self._held[pattern] == is_wanted

    def places(self, name: str, before: int) -> Iterator[int]:
        """Where `name` ends as a whole word, from `before` backwards; only the nearest ones."""
        end = before
        for _ in range(MOST_PLACES):
            start = self.text.rfind(name, 0, end)
            if start < 0 or not name:
                return
            end = start + len(name) - 1
            if is_whole(self.text, start, end + 1):
                yield end + 1

    @cached_property
    def _bytes(self) -> bytes:
        return self.text.encode()

    def string(self, node: Node) -> str:
        return self.text[node.start_byte : node.end_byte]

    def line(self, offset: int) -> str:
        """The line at `offset`, up to it."""
        return self.text[self.text.rfind("\n", 0, offset) + 1 : offset]


def windows(case: Case) -> Iterator[Window]:
    """The suggestion in its surroundings; a long one in pieces."""
    suggestion = case.suggestion
    before = _from_a_line_start(case.prefix, BEFORE_CHARS)
    after = case.suffix[:AFTER_CHARS]
    for start in range(0, min(len(suggestion), PIECE_CHARS * MOST_PIECES), PIECE_CHARS):
        end = min(start + PIECE_CHARS, len(suggestion))
        head = before if start == 0 else suggestion[max(0, start - BEFORE_CHARS) : start]
        tail = after if end == len(suggestion) else suggestion[end : end + AFTER_CHARS]
        text = (head + suggestion[start:end] + tail).encode("ascii", "replace").decode("ascii")
        yield Window(text, len(head), len(head) + end - start, start, case.language.lower())


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether the word at [start, end) is a name, and not a part of a longer one."""
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    return not (before.isalnum() or before == "_" or after.isalnum() or after == "_")


@cache
def grammar_of(language: str) -> Language | None:
    """The grammar that reads `language`, an LSP language identifier."""
    pointer = _GRAMMARS.get(language)
    return Language(pointer()) if pointer else None


def _from_a_line_start(prefix: str, most: int) -> str:
    if len(prefix) <= most:
        return prefix
    start = prefix.find("\n", len(prefix) - most) + 1
    return prefix[start:] if start else prefix[-most:]
