"""Calls, constructions and assignments, read out of any grammar by one query for each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from tree_sitter import Node, Query, QueryCursor

from server.guard.languages import family
from server.guard.syntax_window import Window, grammar_of

Shape = Literal["call", "new", "set"]
SHAPES: tuple[Shape, ...] = ("call", "new", "set")
MOST_MATCHES = 32
"""Of one name: a query over hostile text must not run on."""
_WRAPPERS = ("argument", "literal_element")


@dataclass(frozen=True)
class Use:
    """A name that is called, constructed or assigned to."""

    shape: Shape
    name: Node
    receiver: Node | None
    """What stands before the name's dot."""
    arguments: tuple[Node, ...]
    """Of an assignment, and of an array's construction: the value alone."""
    end: int


def uses(window: Window, start: int, end: int) -> Iterator[Use]:
    """What the name at [start, end) is used as; nothing where it is text or a comment."""
    root = window.tree_at(start)
    if root is None:
        return
    cursor = QueryCursor(_query(window.language), match_limit=MOST_MATCHES)
    cursor.set_byte_range(start, end)
    for _, captures in cursor.matches(root):
        for shape in SHAPES:
            name = captures[shape][0] if shape in captures else None
            if name is not None and name.start_byte <= start < name.end_byte:
                receiver = captures.get("receiver", [None])[0]
                arguments, close = _arguments(captures, name)
                yield Use(shape, name, receiver, arguments, close)


def _arguments(captures: dict[str, list[Node]], name: Node) -> tuple[tuple[Node, ...], int]:
    end = max(
        captures[part][0].end_byte if part in captures else name.end_byte
        for part in ("value", "arguments", "initializer")
    )
    if "value" in captures:
        return (captures["value"][0],), end
    listed = captures["arguments"][0].named_children if "arguments" in captures else []
    return tuple(_unwrapped(one) for one in listed if "comment" not in one.type), end


def _unwrapped(node: Node) -> Node:
    """The expression in an argument, after its name if it has one."""
    while node.type in _WRAPPERS and node.named_child_count:
        node = node.named_children[-1]
    return node


@cache
def _query(language: str) -> Query:
    text = files("server.guard").joinpath("syntax_shapes.toml").read_text(encoding="utf-8")
    grammar = grammar_of(language)
    assert grammar is not None, "asked only about windows that were parsed"
    return Query(grammar, tomllib.loads(text)[family(language)]["query"])
