"""Syntax trees of unfinished Python: parsed anew only where the text changed since last time."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import cache

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Point, Tree

MOST_PREFIX_CHARS = 60_000
"""So much of the prefix is parsed; of what stands before it only the import lines."""
MOST_BLOCK_CHARS = 6_000
MOST_TYPED_CHARS = 40
LEAST_PARSE_MS = 1.0
MS_PER_BYTE = 1 / 12_000
"""Two to three times what sound code takes."""
_BLOCK = re.compile(r"(?m)^(?=(?:async |def |class |@))")
_IMPORT_LINE = re.compile(r"(?m)^[ \t]{0,16}(?:import|from)[ \t][^\n#]{1,300}$")


@dataclass(frozen=True)
class Parsed:
    """A text, its tree, and where the suggestion stands in it."""

    text: str
    source: bytes
    root: Node
    offset: int
    """Of the suggestion, in characters; `start` and `end` are its bytes."""
    start: int
    end: int

    def characters(self, byte: int) -> int:
        """A byte offset as one in characters."""
        if len(self.source) == len(self.text):
            return byte
        return len(self.source[:byte].decode("utf-8", "replace"))


class Trees:
    """Remembers the last tree; safe to use from several threads."""

    def __init__(self) -> None:
        self._last: tuple[bytes, Tree] | None = None
        self._too_long: tuple[str, ...] = ()
        """What took too long before, the file and its end; a few more letters will not mend it."""

    def parse(self, prefix: str, suggestion: str, rest_of_line: str) -> Parsed | None:
        """The tree of prefix, suggestion and the rest of the line after the cursor.

        Where that takes too long (broken text makes the parser try many ways) the prefix is its
        imports and its last definition; None if even that takes too long.
        """
        cut = max(0, len(prefix) - MOST_PREFIX_CHARS)
        whole = (import_lines(prefix[:cut]) if cut else "") + prefix[cut:]
        is_cut = whole.count('"""') % 2 or whole.count("'''") % 2  # it begins or ends in a string
        parsed = None if is_cut else self._parsed(whole, suggestion, rest_of_line)
        if parsed is not None:
            return parsed
        at = max(
            (match.start() for match in _BLOCK.finditer(prefix[-MOST_BLOCK_CHARS:])), default=0
        )
        return self._parsed(
            import_lines(whole) + prefix[-MOST_BLOCK_CHARS:][at:], suggestion, rest_of_line
        )

    def _parsed(self, before: str, suggestion: str, rest_of_line: str) -> Parsed | None:
        text = before + suggestion + rest_of_line
        source = text.encode("utf-8", "replace")
        start = len(before.encode("utf-8", "replace"))
        end = start + len(suggestion.encode("utf-8", "replace"))
        if self._is_too_long(before):
            return None
        tree = self._tree(source)
        if tree is None:
            self._too_long = (before, *self._too_long[:1])
            return None
        self._last = source, tree
        return Parsed(text, source, tree.root_node, len(before), start, end)

    def _is_too_long(self, before: str) -> bool:
        return any(
            len(before) - len(known) <= MOST_TYPED_CHARS and before.startswith(known)
            for known in self._too_long
        )

    def _tree(self, source: bytes) -> Tree | None:
        last = self._last
        if last is None:
            return bounded_parse(_parser(), source)
        old_source, old = last
        same = _shared(old_source, source)
        if same == len(source) == len(old_source):
            return old
        if same < len(source) // 4:
            return bounded_parse(_parser(), source)
        edited = old.copy()
        edited.edit(
            same, len(old_source), len(source),
            _point(source, same), _point(old_source, len(old_source)), _point(source, len(source)),
        )  # fmt: skip
        return bounded_parse(_parser(), source, edited)


def bounded_parse(parser: Parser, source: bytes, old: Tree | None = None) -> Tree | None:
    """The tree of `source`; None where the parser takes longer than sound code needs."""
    deadline = time.thread_time() + (LEAST_PARSE_MS + len(source) * MS_PER_BYTE) / 1000

    def read(offset: int, _: Point) -> bytes:
        return source[offset:]

    def is_late(_: int, __: bool) -> bool:
        return time.thread_time() > deadline

    try:
        if old is None:
            return parser.parse(read, progress_callback=is_late)
        return parser.parse(read, old, progress_callback=is_late)
    except ValueError:  # what the binding makes of a parse that was called off
        return None


def import_lines(text: str) -> str:
    """The lines of `text` that import something, without their indentation."""
    return "".join(match[0].strip() + "\n" for match in _IMPORT_LINE.finditer(text))


def syntax_tree(text: str) -> Node:
    """The root of the syntax tree of `text`; errors are nodes in it."""
    return _parser().parse(text.encode("utf-8", "replace")).root_node


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes two texts share at their beginning."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _point(source: bytes, offset: int) -> Point:
    row = source.count(b"\n", 0, offset)
    return Point(row, offset - (source.rfind(b"\n", 0, offset) + 1))


@cache
def _language() -> Language:
    return Language(tree_sitter_python.language())


def _parser() -> Parser:
    return Parser(_language())  # a parser holds state: one per call, which costs 2 microseconds
