"""Syntax trees of unfinished Python: what is far above the cursor is parsed once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Point, Tree

MOST_PREFIX_CHARS = 60_000
"""So much of the prefix is parsed; of what stands before it only the import lines."""
MOST_BLOCK_CHARS = 6_000
HEAD_CHARS = 1_000
"""The prefix is parsed up to a line near a multiple of these, then what somebody types there."""
LEAST_STEPS = 40
STEPS_PER_BYTE = 0.01
"""The parser counts a step for each hundred things it does. Of 1,046 sound files nine need more."""
BROKEN_STEPS = 3
"""What a step in broken text counts: it takes two to four times as long."""
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


def parse_around(prefix: str, suggestion: str, rest_of_line: str) -> Parsed | None:
    """The tree of prefix, suggestion and the rest of the line after the cursor.

    Where that takes too much work (broken text makes the parser try many ways) the prefix is its
    imports and its last definition; None if even that takes too much.
    """
    cut = -(-max(0, len(prefix) - MOST_PREFIX_CHARS) // HEAD_CHARS) * HEAD_CHARS
    whole = (import_lines(prefix[:cut]) if cut else "") + prefix[cut:]
    is_cut = whole.count('"""') % 2 or whole.count("'''") % 2  # it begins or ends in a string
    parsed = None if is_cut else _parsed(whole, suggestion, rest_of_line)
    if parsed is not None:
        return parsed
    near = prefix[-MOST_BLOCK_CHARS:]
    at = max((match.start() for match in _BLOCK.finditer(near)), default=0)
    return _parsed(import_lines(whole) + near[at:], suggestion, rest_of_line)


def _parsed(before: str, suggestion: str, rest_of_line: str) -> Parsed | None:
    text = before + suggestion + rest_of_line
    source = text.encode("utf-8", "replace")
    start = len(before.encode("utf-8", "replace"))
    end = start + len(suggestion.encode("utf-8", "replace"))
    head = before.rfind("\n", 0, len(before) // HEAD_CHARS * HEAD_CHARS) + 1
    tree = _tree(source, len(before[:head].encode("utf-8", "replace")))
    if tree is None:
        return None
    return Parsed(text, source, tree.root_node, len(before), start, end)


@lru_cache(maxsize=2)
def _tree(source: bytes, head_bytes: int) -> Tree | None:
    """The tree of `source`, from that of its head; each depends on its text alone."""
    head = _head(source[:head_bytes])
    if head is None:
        return None
    edited = head.copy()
    row = source.count(b"\n", 0, head_bytes)
    old_end, end = Point(row, 0), _end(source)
    edited.edit(head_bytes, head_bytes, len(source), old_end, old_end, end)
    return bounded_parse(_parser(), source, head_bytes, edited)


@lru_cache(maxsize=2)
def _head(source: bytes) -> Tree | None:
    return bounded_parse(_parser(), source)


def bounded_parse(
    parser: Parser, source: bytes, known: int = 0, old: Tree | None = None
) -> Tree | None:
    """The tree of `source`; None where the parser works more than sound code needs.

    Counted in steps and not in time, so that a text is read alike however busy the machine is.
    `old`: the tree of the first `known` bytes, told of the rest.
    """
    left = LEAST_STEPS + (len(source) - known) * STEPS_PER_BYTE

    def read(offset: int, _: Point) -> bytes:
        return source[offset:]

    def is_too_much(_: int, is_broken: bool) -> bool:
        nonlocal left
        left -= BROKEN_STEPS if is_broken else 1
        return left < 0

    try:
        if old is None:
            return parser.parse(read, progress_callback=is_too_much)
        return parser.parse(read, old, progress_callback=is_too_much)
    except ValueError:  # what the binding makes of a parse that was called off
        return None


def import_lines(text: str) -> str:
    """The lines of `text` that import something, without their indentation."""
    return "".join(match[0].strip() + "\n" for match in _IMPORT_LINE.finditer(text))


def syntax_tree(text: str) -> Node:
    """The root of the syntax tree of `text`; errors are nodes in it."""
    return _parser().parse(text.encode("utf-8", "replace")).root_node


def _end(source: bytes) -> Point:
    return Point(source.count(b"\n"), len(source) - (source.rfind(b"\n") + 1))


@cache
def _language() -> Language:
    return Language(tree_sitter_python.language())


def _parser() -> Parser:
    return Parser(_language())  # a parser holds state: one per call, which costs 2 microseconds
