"""What a name in unfinished Python stands for: an import, a class of the file, an instance of one.

Nothing is computed ahead: for the few names that are asked for, the places that may bind them are
looked up in the text, and the tree says what they are. Where two places disagree, nothing is known.
"""

from __future__ import annotations

import builtins
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol

from tree_sitter import Node

from server.guard.python_bindings import above, binding_sites, imported_path

MOST_DEPTH = 8
_CLASS_MEMBER = r"(?m)^[ \t]+(?:async\s+)?(?:def\s+%s\b|%s\s*(?::[^=\n]+)?=[^=])"
_WRAPPERS = {"Optional", "Annotated", "Final", "ClassVar", "Required", "NotRequired"}
_LITERALS = {
    "string": "str", "concatenated_string": "str", "dictionary": "dict", "list": "list",
    "dictionary_comprehension": "dict", "list_comprehension": "list",
}  # fmt: skip


class Returns(Protocol):
    """Knows what installed functions return."""

    def returned(self, path: str) -> str | None: ...


@dataclass(frozen=True)
class Meaning:
    """A full name, or a class of the file itself; `is_instance`: one of its instances."""

    path: str
    is_instance: bool = False
    local: Node | None = None


class Meanings:
    """Resolves the expressions of one tree."""

    def __init__(self, source: bytes, root: Node, returns: Returns) -> None:
        self._source = source
        self._root = root
        self._returns = returns

    def paths(self, node: Node) -> list[str]:
        """The full names that a dotted expression may stand for; empty if it is not known."""
        return [one.path for one in self._of(node, 0) if one.local is None]

    def _of(self, node: Node, depth: int) -> list[Meaning]:
        if depth > MOST_DEPTH:
            return []
        depth += 1
        match node.type:
            case "identifier":
                return self._name(node, depth)
            case "attribute":
                return self._attribute(node, depth)
            case "call":
                return self._call(node, depth)
            case "await" | "parenthesized_expression" if node.named_children:
                return self._of(node.named_children[0], depth)
            case "subscript":
                return self._element(node, depth)
            case kind if kind in _LITERALS:
                is_bytes = (
                    kind == "string" and b"b" in (node.text or b"")[:3].lower().split(b"'")[0]
                )
                return [Meaning("bytes" if is_bytes else _LITERALS[kind], is_instance=True)]
            case _:
                return []

    def _name(self, node: Node, depth: int) -> list[Meaning]:
        name = node.text or b""
        if name in (b"self", b"cls"):
            owner = above(node, "class_definition")
            return [Meaning("", True, owner)] if owner is not None else []
        sites = binding_sites(self._source, self._root, name, node)
        if not sites:
            return self._starred(name)
        found = [self._site(site, depth) for site in sites]
        known = [one for one in found if one is not None]
        if not known or any(one != known[0] for one in known):
            return []
        return known[0]

    def _starred(self, name: bytes) -> list[Meaning]:
        stars = re.findall(rb"(?m)^from[ \t]+([\w.]+)[ \t]+import[ \t]+\*", self._source)
        text = name.decode("utf-8", "replace")
        if hasattr(builtins, text):
            return [Meaning(text)]
        return [Meaning(f"{stars[-1].decode()}.{text}")] if stars else []

    def _site(self, site: Node, depth: int) -> list[Meaning] | None:
        """What a place binds its name to; None if it says nothing (`x = None`)."""
        parent = site.parent
        if parent is None:
            return []
        match parent.type:
            case "dotted_name" | "aliased_import":
                path = imported_path(site)
                return [Meaning(path)] if path is not None else []
            case "class_definition":
                return [Meaning("", False, parent)]
            case "function_definition":
                return [Meaning("", False, parent)]
            case "assignment":
                value = parent.child_by_field_name("right")
                annotation = parent.child_by_field_name("type")
                if annotation is not None:
                    return self._annotated(annotation, depth)
                if value is None or value.type == "none":
                    return None
                return self._of(value, depth)
            case "named_expression":
                value = parent.child_by_field_name("value")
                return self._of(value, depth) if value is not None else []
            case "typed_parameter" | "typed_default_parameter":
                annotation = parent.child_by_field_name("type")
                return self._annotated(annotation, depth) if annotation is not None else []
            case "as_pattern_target":
                pattern = parent.parent
                return self._entered(pattern, depth) if pattern is not None else []
            case "for_statement" | "for_in_clause":
                value = parent.child_by_field_name("right")
                return self._items(value, depth) if value is not None else []
            case _:
                return []

    def _entered(self, pattern: Node, depth: int) -> list[Meaning]:
        """`with value as name`, `except value as name`."""
        value = pattern.named_children[0]
        found = self._of(value, depth)
        is_raised = pattern.parent is not None and pattern.parent.type == "except_clause"
        return [Meaning(one.path, True, one.local) for one in found] if is_raised else found

    def _annotated(self, node: Node, depth: int) -> list[Meaning]:
        """An instance of what an annotation names; of a union, of its only class."""
        text = (node.text or b"").decode("utf-8", "replace").strip("\"'")
        text = re.sub(r"\s*\|\s*None\b|\bNone\s*\|\s*", "", text)
        wrapped = re.fullmatch(r"(?:\w+\.)*(\w+)\[(.+?)\]", text)
        if wrapped is not None:
            text = wrapped[2].split(",")[0] if wrapped[1] in _WRAPPERS else text.split("[")[0]
        if not re.fullmatch(r"[A-Za-z_][\w.]*", text):
            return []
        head, _, rest = text.partition(".")
        found = self._head(head, node, depth)
        return [
            Meaning(f"{one.path}.{rest}" if rest else one.path, True, one.local)
            for one in found
            if one.local is None or not rest
        ]

    def _head(self, name: str, node: Node, depth: int) -> list[Meaning]:
        sites = binding_sites(self._source, self._root, name.encode(), node)
        found = [self._site(site, depth) for site in sites]
        return (found[0] or []) if found and all(one == found[0] for one in found) else []

    def _attribute(self, node: Node, depth: int) -> list[Meaning]:
        value, last = node.child_by_field_name("object"), node.child_by_field_name("attribute")
        if value is None or last is None:
            return []
        if value.type == "identifier" and value.text in (b"self", b"cls"):
            found = self._own_attribute(node, last.text or b"", depth)
            if found is not None:
                return found
        name = (last.text or b"").decode("utf-8", "replace")
        return [m for one in self._of(value, depth) for m in self._member(one, name, depth)]

    def _own_attribute(self, node: Node, name: bytes, depth: int) -> list[Meaning] | None:
        """What `self.name = ...` in the same class says; None if there is no such line."""
        owner = above(node, "class_definition")
        if owner is None:
            return None
        pattern = re.compile(rb"(?m)^[ \t]*(self\.%s)[ \t]*(?:=[^=]|:)" % re.escape(name))
        found: list[list[Meaning]] = []
        for match in pattern.finditer(self._source, owner.start_byte, owner.end_byte):
            site = self._root.descendant_for_byte_range(*match.span(1))
            if site is not None and site.type == "attribute" and site.start_byte < node.start_byte:
                what = self._site(site, depth)
                found += [what] if what is not None else []
        if not found:
            return None
        return found[0] if all(one == found[0] for one in found) else []

    def _member(self, owner: Meaning, name: str, depth: int) -> Iterator[Meaning]:
        if owner.local is None:
            path = f"{owner.path}.{name}"
            kind = _table().get(path) if owner.is_instance else None
            yield Meaning(kind or path, kind is not None)
            return
        if owner.local.type != "class_definition" or depth > MOST_DEPTH:
            return
        text = (owner.local.text or b"").decode("utf-8", "replace")
        if re.search(_CLASS_MEMBER % (re.escape(name), re.escape(name)), text):
            return
        for base in self._bases(owner.local, depth):
            yield from self._member(base, name, depth + 1)

    def _bases(self, local: Node, depth: int) -> Iterator[Meaning]:
        bases = local.child_by_field_name("superclasses")
        for base in bases.named_children if bases is not None else ():
            if base.type in ("identifier", "attribute"):
                for one in self._of(base, depth):
                    yield Meaning(one.path, True, one.local)

    def _call(self, node: Node, depth: int) -> list[Meaning]:
        function = node.child_by_field_name("function")
        if function is None:
            return []
        if function.text == b"super":
            owner = above(node, "class_definition")
            return list(self._bases(owner, depth)) if owner is not None else []
        found: list[Meaning] = []
        for one in self._of(function, depth):
            if one.local is not None:
                found += self._local_result(one, depth)
                continue
            kind = _table().get(f"{one.path}()") or self._returns.returned(one.path)
            if kind is None and one.path.rpartition(".")[2][:1].isupper() and "." in one.path:
                kind = one.path
            found += [Meaning(kind, is_instance=True)] if kind is not None else []
        return found

    def _local_result(self, called: Meaning, depth: int) -> list[Meaning]:
        local = called.local
        if local is None or called.is_instance:
            return []
        if local.type == "class_definition":
            return [Meaning("", True, local)]
        annotation = local.child_by_field_name("return_type")
        return self._annotated(annotation, depth) if annotation is not None else []

    def _element(self, node: Node, depth: int) -> list[Meaning]:
        value, index = node.child_by_field_name("value"), node.child_by_field_name("subscript")
        found = self._of(value, depth) if value is not None else []
        if index is not None and index.type in ("list", "slice"):
            return found
        kinds = [_table().get(f"{one.path}[]") for one in found if one.is_instance]
        return [Meaning(kind, is_instance=True) for kind in kinds if kind is not None]

    def _items(self, node: Node, depth: int) -> list[Meaning]:
        """What a loop over `node` gives."""
        function = node.child_by_field_name("function") if node.type == "call" else None
        paths = [one.path for one in self._of(function or node, depth) if one.local is None]
        call = "()" if function is not None else ""
        kinds = [_table().get(f"{path}{call}[]") for path in paths]
        return [Meaning(kind, is_instance=True) for kind in kinds if kind is not None]


@cache
def _table() -> dict[str, str]:
    """`pandas.read_csv()` and `pandas.DataFrame[]` with the class that they give."""
    read = tomllib.loads(files("server.guard").joinpath("api_returns.toml").read_text("utf-8"))
    table: dict[str, str] = dict(read["gives"])
    for kind, methods in read["itself"].items():
        table |= {f"{kind}.{method}()": kind for method in methods}
    return table
