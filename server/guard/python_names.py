"""What the names in an unfinished Python file stand for: imports, aliases, simple instances.

tree-sitter parses what Python's own parser refuses: the text up to the cursor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Query, QueryCursor

MOST_PREFIX_CHARS = 60_000
"""So much of the prefix is parsed; of what stands before it only the import lines."""
_IMPORT_LINE = re.compile(r"(?m)^[ \t]{0,16}(?:import|from)[ \t][^\n#]{1,300}$")
_BINDINGS = """
(import_statement) @import
(import_from_statement) @import
(assignment left: [(identifier) (attribute)]) @assignment
(typed_parameter (identifier)) @typed
(with_item value: (as_pattern)) @with
(parameters (identifier) @shadow)
(for_statement left: (identifier) @shadow)
(function_definition name: (identifier) @shadow)
(class_definition name: (identifier) @shadow)
"""
_USES = "[(attribute) (identifier)] @use (import_from_statement) @from (import_statement) @import"
_RETURNS = {
    "logging.getLogger": "logging.Logger",
    "threading.current_thread": "threading.Thread",
    "threading.currentThread": "threading.Thread",
    "threading.main_thread": "threading.Thread",
    "pandas.read_csv": "pandas.DataFrame",
    "pandas.read_excel": "pandas.DataFrame",
    "pandas.read_json": "pandas.DataFrame",
    "pandas.read_parquet": "pandas.DataFrame",
    "pandas.read_sql": "pandas.DataFrame",
    "pandas.concat": "pandas.DataFrame",
    "pandas.merge": "pandas.DataFrame",
    "datetime.datetime.now": "datetime.datetime",
}


@dataclass(frozen=True)
class NameUse:
    """A name in the suggestion and what it stands for."""

    path: str
    """The full name: `threading.currentThread`."""
    start: int
    end: int
    """The last part of the name, in the text that was parsed."""
    whole_start: int
    """Where the dotted name begins."""
    is_called: bool
    is_import: bool


@dataclass
class _Bindings:
    imports: dict[str, str] = field(default_factory=dict[str, str])
    stars: list[str] = field(default_factory=list[str])
    instances: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """Type by name; None where two assignments disagree."""


def name_uses(prefix: str, suggestion: str, rest_of_line: str) -> tuple[str, int, list[NameUse]]:
    """The parsed text, the suggestion's offset in it, and the names that end in the suggestion."""
    cut = max(0, len(prefix) - MOST_PREFIX_CHARS)
    head = import_lines(prefix[:cut]) if cut else ""
    before = head + prefix[cut:]
    text = before + suggestion + rest_of_line
    source = text.encode("utf-8", "replace")
    start = len(before.encode("utf-8", "replace"))
    end = start + len(suggestion.encode("utf-8", "replace"))
    root = _parser().parse(source).root_node
    bindings = _bindings(root)
    uses = list(_uses(root, bindings, start, end))
    if len(source) != len(text):
        uses = [_in_characters(source, use) for use in uses]
    return text, len(before), uses


def import_lines(text: str) -> str:
    """The lines of `text` that import something, without their indentation."""
    return "".join(match[0].strip() + "\n" for match in _IMPORT_LINE.finditer(text))


def syntax_tree(text: str) -> Node:
    """The root of the syntax tree of `text`; errors are nodes in it."""
    return _parser().parse(text.encode("utf-8", "replace")).root_node


def _bindings(root: Node) -> _Bindings:
    captures = QueryCursor(_query(_BINDINGS)).captures(root)
    found = _Bindings()
    for node in captures.get("import", ()):
        _add_import(node, found)
    for node in captures.get("shadow", ()):
        found.imports.pop(_string(node), None)
    for node in captures.get("assignment", ()):
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        annotation = node.child_by_field_name("type")
        if left is not None:
            _bind(_string(left), _type_of(right, annotation, found), right, found)
    for node in captures.get("with", ()):
        pattern = node.child_by_field_name("value")
        if pattern is not None and len(pattern.named_children) == 2:
            value, target = pattern.named_children
            _bind(_string(target), _type_of(value, None, found), value, found)
    for node in captures.get("typed", ()):
        annotation = node.child_by_field_name("type")
        if annotation is not None and node.named_children:
            name = _string(node.named_children[0])
            _bind(name, _type_of(None, annotation, found), None, found)
    return found


def _bind(name: str, kind: str | None, value: Node | None, found: _Bindings) -> None:
    if name in found.imports:
        if value is None or value.type != "none":  # `x = None` after a failed import
            del found.imports[name]
        return
    if name in found.instances and found.instances[name] != kind:
        kind = None
    found.instances[name] = kind


def _type_of(value: Node | None, annotation: Node | None, found: _Bindings) -> str | None:
    if annotation is not None and annotation.named_children:
        return _resolve(annotation.named_children[0], found)
    return None if value is None or value.type != "call" else _resolve(value, found)


def _add_import(node: Node, found: _Bindings) -> None:
    for local, path, _ in _imported(node):
        if local == "*":
            found.stars.append(path)
        else:
            found.imports[local] = path


def _imported(node: Node) -> Iterator[tuple[str, str, Node]]:
    """Local name, full name and node of the name for everything that a statement imports."""
    module = node.child_by_field_name("module_name")
    if module is not None and module.type == "relative_import":
        return
    base = _string(module) if module is not None else ""
    if any(child.type == "wildcard_import" for child in node.children) and module is not None:
        yield "*", base, module
    for child in node.children_by_field_name("name"):
        name, alias = child, child.child_by_field_name("alias")
        if child.type == "aliased_import":
            name = child.child_by_field_name("name") or child
        path = _string(name)
        if module is not None:
            yield _string(alias or name), f"{base}.{path}", name
        elif alias is not None:
            yield _string(alias), path, name
        else:
            yield path.split(".")[0], path.split(".")[0], name


def _uses(root: Node, bindings: _Bindings, start: int, end: int) -> Iterator[NameUse]:
    cursor = QueryCursor(_query(_USES))
    cursor.set_byte_range(start, end)
    captures = cursor.captures(root)
    for node in captures.get("use", ()):
        last = node.child_by_field_name("attribute") if node.type == "attribute" else node
        if last is None or not (last.start_byte < end and last.end_byte > start):
            continue
        parent = node.parent
        if parent is not None and not _is_read(node, parent):
            continue
        path = _resolve(node, bindings)
        if path is not None:
            function = parent.child_by_field_name("function") if parent is not None else None
            is_called = parent is not None and parent.type == "call" and function == node
            yield NameUse(path, last.start_byte, last.end_byte, node.start_byte, is_called, False)
    for node in (*captures.get("from", ()), *captures.get("import", ())):
        for _, path, name in _imported(node):
            if name.start_byte < end and name.end_byte > start:
                full = path if node.type == "import_from_statement" else _string(name)
                yield NameUse(full, name.start_byte, name.end_byte, name.start_byte, False, True)


def _is_read(node: Node, parent: Node) -> bool:
    """Whether a node is a name that is looked up, not a keyword, attribute, target or import."""
    if parent.type == "attribute" and parent.child_by_field_name("attribute") == node:
        return False
    if parent.type == "keyword_argument" and parent.child_by_field_name("name") == node:
        return False
    return parent.type not in (
        "dotted_name", "aliased_import", "parameters", "typed_parameter", "default_parameter",
        "function_definition", "class_definition", "global_statement", "relative_import",
    )  # fmt: skip


def _resolve(node: Node, bindings: _Bindings) -> str | None:
    if node.type == "identifier":
        name = _string(node)
        if name in bindings.imports:
            return bindings.imports[name]
        if bindings.instances.get(name):
            return bindings.instances[name]
        if name == "self":
            return _base_class(node, bindings)
        return f"{bindings.stars[-1]}.{name}" if bindings.stars else None
    if node.type == "attribute":
        text = _string(node)
        if text.startswith("self.") and bindings.instances.get(text):
            return bindings.instances[text]
        value, last = node.child_by_field_name("object"), node.child_by_field_name("attribute")
        inner = _resolve(value, bindings) if value is not None else None
        return f"{inner}.{_string(last)}" if inner and last is not None else None
    if node.type == "call":
        function = node.child_by_field_name("function")
        path = _resolve(function, bindings) if function is not None else None
        if path is None or path in _RETURNS:
            return _RETURNS.get(path or "")
        return path if path.rsplit(".", 1)[-1][:1].isupper() else None
    return None


def _base_class(node: Node, bindings: _Bindings) -> str | None:
    """What the class around `node` inherits from."""
    above = node.parent
    while above is not None and above.type != "class_definition":
        above = above.parent
    bases = above.child_by_field_name("superclasses") if above is not None else None
    return _resolve(bases.named_children[0], bindings) if bases and bases.named_children else None


def _in_characters(source: bytes, use: NameUse) -> NameUse:
    start, end, whole = (
        len(source[:offset].decode("utf-8", "replace"))
        for offset in (use.start, use.end, use.whole_start)
    )
    return NameUse(use.path, start, end, whole, use.is_called, use.is_import)


def _string(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


@cache
def _language() -> Language:
    return Language(tree_sitter_python.language())


@cache
def _query(text: str) -> Query:
    return Query(_language(), text)


def _parser() -> Parser:
    return Parser(_language())  # a parser holds state: one per call, which costs 2 microseconds
