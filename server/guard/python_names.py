"""The names in a Python suggestion that may be known, with what they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from tree_sitter import Node

from server.guard.python_bindings import above
from server.guard.python_syntax import Parsed
from server.guard.python_types import Meanings

MOST_USES = 100
"""Of one suggestion: more names of interest than that are no completion."""
MOST_WORD_BYTES = 200
_WORD = re.compile(rb"[A-Za-z_]\w*")
_COMPATIBLE = re.compile(rb"ImportError|ModuleNotFoundError|AttributeError|NameError")
_VERSION_TEST = re.compile(rb"version|hasattr|\bPY[23]\b|PY_?\d|_VERSION|parse\(")


@dataclass(frozen=True)
class Call:
    """The arguments of a call, as bytes of the source."""

    start: int
    end: int
    """From the opening bracket to behind the closing one."""
    arguments: tuple[tuple[int, int], ...]
    has_keywords: bool
    is_statement: bool
    """Nothing is done with its result."""


@dataclass(frozen=True)
class NameUse:
    """A name in the suggestion and what it may stand for. Offsets are bytes of the source."""

    paths: tuple[str, ...]
    """Full names: `threading.currentThread`."""
    start: int
    end: int
    """The last part of the name."""
    whole_start: int
    """Where the dotted name begins."""
    call: Call | None
    """The call of the name, if it is called and the call is complete."""
    is_called: bool
    keyword: str | None
    """The name is this keyword argument of `paths`."""
    statement: Node | None
    """The import that the name stands in."""


def name_uses(parsed: Parsed, meanings: Meanings, words: Iterable[str]) -> Iterator[NameUse]:
    """The uses of `words` that end in the suggestion and have a known meaning.

    Code that asks which version it runs under is left out: it knows what it does.
    """
    wanted = {word.encode() for word in words}
    first = parsed.start
    while first > 0 and _in_word(parsed.source[first - 1 : first]):
        first -= 1
    inside = (
        match
        for match in _WORD.finditer(parsed.source, first, parsed.end + MOST_WORD_BYTES)
        if match.start() < parsed.end and match.end() > parsed.start and match[0] in wanted
    )
    for match in islice(inside, MOST_USES):
        node = parsed.root.descendant_for_byte_range(match.start(), match.end())
        if node is None or node.type != "identifier" or node.parent is None:
            continue
        use = _use(node, node.parent, meanings)
        if use is not None and use.paths and not _is_guarded(node):
            yield use


def _in_word(byte: bytes) -> bool:
    return byte.isalnum() or byte == b"_"


def _use(node: Node, parent: Node, meanings: Meanings) -> NameUse | None:
    if parent.type in ("dotted_name", "aliased_import"):
        return _imported(node, parent)
    whole, outer = node, parent
    if parent.type == "attribute":
        if parent.child_by_field_name("attribute") == node:
            whole = parent
            if parent.parent is None:
                return None
            outer = parent.parent
    elif parent.type == "keyword_argument" and parent.child_by_field_name("name") == node:
        return _keyword(node, parent, meanings)
    if outer.type in ("assignment", "for_statement") and outer.child_by_field_name("left") == whole:
        return None
    if outer.type in _DEFINING and outer.child_by_field_name("value") != whole:
        return None
    is_called = outer.type == "call" and outer.child_by_field_name("function") == whole
    call = _call(outer) if is_called else None
    paths = tuple(meanings.paths(whole))
    return NameUse(
        paths, node.start_byte, node.end_byte, whole.start_byte, call, is_called, None, None
    )


_DEFINING = (
    "parameters", "typed_parameter", "default_parameter", "typed_default_parameter",
    "function_definition", "class_definition", "global_statement", "nonlocal_statement",
    "relative_import", "lambda_parameters",
)  # fmt: skip


def _keyword(node: Node, parent: Node, meanings: Meanings) -> NameUse | None:
    call = above(parent, "call")
    function = call.child_by_field_name("function") if call is not None else None
    if function is None or parent.parent is None or parent.parent.parent != call:
        return None
    name = (node.text or b"").decode("utf-8", "replace")
    paths = tuple(meanings.paths(function))
    start, end = node.start_byte, node.end_byte
    return NameUse(paths, start, end, start, None, False, name, None)


def _imported(node: Node, parent: Node) -> NameUse | None:
    dotted = parent if parent.type == "dotted_name" else None
    entry = dotted.parent if dotted is not None else parent
    if dotted is None or entry is None:
        return None  # an alias: the user's own name
    statement = entry.parent if entry.type == "aliased_import" else entry
    if statement is None or not statement.type.startswith("import"):
        return None
    own = (dotted.text or b"")[: node.end_byte - dotted.start_byte].decode("utf-8", "replace")
    module = statement.child_by_field_name("module_name")
    if module is not None and module != dotted:
        if module.type == "relative_import":
            return None
        own = f"{(module.text or b'').decode('utf-8', 'replace')}.{own}"
    start, end = node.start_byte, node.end_byte
    return NameUse((own,), start, end, dotted.start_byte, None, False, None, statement)


def _call(node: Node) -> Call | None:
    inside = node.child_by_field_name("arguments")
    if inside is None or inside.type != "argument_list" or inside.has_error:
        return None
    if not inside.children or inside.children[-1].type != ")" or inside.children[-1].is_missing:
        return None
    arguments = [one for one in inside.named_children if one.type != "comment"]
    has_keywords = any(
        one.type in ("keyword_argument", "list_splat", "dictionary_splat") for one in arguments
    )
    spans = tuple((one.start_byte, one.end_byte) for one in arguments)
    is_statement = node.parent is not None and node.parent.type == "expression_statement"
    return Call(inside.start_byte, inside.end_byte, spans, has_keywords, is_statement)


def _is_guarded(node: Node) -> bool:
    """Whether the code tries first, or asks for a version."""
    outer = node.parent
    while outer is not None:
        if outer.type == "try_statement":
            caught = [one for one in outer.children if one.type == "except_clause"]
            if any(_COMPATIBLE.search((one.text or b"")[:100]) for one in caught):
                return True
        elif outer.type in ("if_statement", "elif_clause"):
            condition = outer.child_by_field_name("condition")
            if condition is not None and _VERSION_TEST.search(condition.text or b""):
                return True
        outer = outer.parent
    return False
