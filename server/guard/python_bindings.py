"""The places in unfinished Python that may give a name its meaning, and what an import means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from tree_sitter import Node

MOST_SITES = 60
MOST_BLANKS = 200
"""Between a name and what stands before it."""
_NAMING = re.compile(rb"\b(?:import|as|for|def|class|global)\Z")
_BOUND = re.compile(rb"[ \t]*(?:=[^=]|:|,)")
_SCOPES = ("function_definition", "module", "class_definition", "lambda")


def binding_sites(source: bytes, root: Node, name: bytes, node: Node) -> list[Node]:
    """The identifiers before `node`, in the innermost scope around it, that bind `name`."""
    by_scope: dict[int, list[Node]] = {}
    for start, end in islice(_places(source, name), MOST_SITES):
        site = root.descendant_for_byte_range(start, end)
        if site is None or site.type != "identifier" or not _binds(site):
            continue
        scope = _scope(site)
        is_around = scope.start_byte <= node.start_byte and node.end_byte <= scope.end_byte
        statement = site.parent if site.parent is not None else site
        is_own = statement.type == "assignment" and statement.end_byte >= node.end_byte
        if is_around and site.start_byte < node.start_byte and not is_own:
            by_scope.setdefault(scope.start_byte if scope.parent else -1, []).append(site)
    return by_scope[max(by_scope)] if by_scope else []


def _places(source: bytes, name: bytes) -> Iterator[tuple[int, int]]:
    """Where `name` stands as a word behind or before what may bind it."""
    for match in re.finditer(rb"%s\b" % re.escape(name), source):  # begins with letters: quick
        start, end = match.span()
        before = source[max(0, start - MOST_BLANKS) : start]
        bare = before.rstrip(b" \t")
        is_named = bare != before and _NAMING.search(bare[-7:]) is not None
        is_first = not bare or bare.endswith(b"\n")
        if (
            is_named
            or before.rstrip(b" \t\r\n\f\v*").endswith((b"(", b","))
            or (is_first and _BOUND.match(source, end) is not None)
        ):
            yield start, end


def above(node: Node, kind: str) -> Node | None:
    """The nearest node of a type around `node`."""
    outer = node.parent
    while outer is not None and outer.type != kind:
        outer = outer.parent
    return outer


def imported_path(site: Node) -> str | None:
    """The full name that an import gives to the identifier `site`; None for a relative one."""
    statement = site.parent
    while statement is not None and not statement.type.startswith("import"):
        statement = statement.parent
    if statement is None or site.parent is None:
        return None
    entry = site.parent
    outer = entry.parent
    if entry.type == "dotted_name" and outer is not None and outer.type == "aliased_import":
        entry = outer
    if statement.type == "import_statement" and entry.type == "dotted_name":
        return _text(site)
    name = entry.child_by_field_name("name") if entry.type == "aliased_import" else entry
    module = statement.child_by_field_name("module_name")
    if name is None or (module is not None and module.type == "relative_import"):
        return None
    return f"{_text(module)}.{_text(name)}" if module is not None else _text(name)


def _binds(site: Node) -> bool:
    """Whether an identifier stands where a name is given a meaning."""
    parent = site.parent
    if parent is None:
        return False
    match parent.type:
        case "dotted_name":
            outer = parent.parent
            if outer is None or parent == outer.child_by_field_name("module_name"):
                return False
            if outer.type == "import_statement":
                return parent.named_children[0] == site
            return outer.type == "import_from_statement"
        case "aliased_import":
            return parent.child_by_field_name("alias") == site
        case "assignment" | "for_statement" | "for_in_clause":
            return parent.child_by_field_name("left") == site
        case "class_definition" | "function_definition" | "named_expression":
            return parent.child_by_field_name("name") == site
        case "typed_parameter":
            return parent.named_children[0] == site
        case "default_parameter" | "typed_default_parameter":
            return parent.child_by_field_name("name") == site
        case "as_pattern_target" | "parameters" | "pattern_list" | "tuple_pattern":
            return True
        case "lambda_parameters" | "list_splat_pattern" | "dictionary_splat_pattern":
            return True
        case _:
            return False


def _scope(site: Node) -> Node:
    """The function, class or module in which the name that `site` gives is known."""
    node = site
    parent = site.parent
    if parent is not None and parent.type in ("class_definition", "function_definition"):
        node = parent
    outer = node.parent
    while outer is not None and outer.parent is not None and outer.type not in _SCOPES:
        outer = outer.parent
    return outer if outer is not None else node


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
