"""A Python call taken apart, and the places in it that a finding may blame."""

from __future__ import annotations

from dataclasses import dataclass

from tree_sitter import Node

from server.guard.python_scene import Scene

MOST_ARGUMENTS = 60


@dataclass(frozen=True)
class Blame:
    """A span of a scene's text, and what to write there instead where that is known."""

    start: int
    end: int
    replacement: str | None = None
    is_minor: bool = False
    """Wrong in form, but harmless as the code is now."""


@dataclass(frozen=True)
class Call:
    """A call with its arguments by place and by name."""

    node: Node
    function: Node
    positional: tuple[Node, ...]
    keywords: dict[str, Node]
    """The value of each keyword argument."""
    has_stars: bool
    """`*more` or `**more`: there may be arguments that cannot be seen."""

    @property
    def last(self) -> Node:
        """The last part of the called name."""
        return self.function.child_by_field_name("attribute") or self.function

    def argument(self, place: int, *names: str) -> Node | None:
        """The argument at `place`, or under one of these names."""
        if place < len(self.positional):
            return self.positional[place]
        return next((self.keywords[name] for name in names if name in self.keywords), None)


def taken_apart(node: Node, scene: Scene) -> Call | None:
    """The call at a node; None where it is broken."""
    function = node.child_by_field_name("function")
    listed = node.child_by_field_name("arguments")
    if function is None or listed is None:
        return None
    if listed.type != "argument_list":  # `any(x for x in y)`
        return Call(node, function, (listed,), {}, False)
    positional, keywords, has_stars = list[Node](), dict[str, Node](), False
    for one in listed.named_children[:MOST_ARGUMENTS]:
        name, value = one.child_by_field_name("name"), one.child_by_field_name("value")
        if one.type == "keyword_argument" and name is not None and value is not None:
            keywords[scene.string(name)] = value
        elif one.type in ("list_splat", "dictionary_splat"):
            has_stars = True
        elif one.type not in ("comment", "ERROR"):
            positional.append(one)
    return Call(node, function, tuple(positional), keywords, has_stars)


def at(node: Node, replacement: str | None = None, *, is_minor: bool = False) -> Blame:
    """The whole of a node."""
    return Blame(node.start_byte, node.end_byte, replacement, is_minor)


def at_keyword(value: Node, replacement: str | None = None, *, is_minor: bool = False) -> Blame:
    """A keyword argument, given its value."""
    return at(value.parent or value, replacement, is_minor=is_minor)
