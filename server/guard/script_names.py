"""What the names in unfinished JavaScript or TypeScript stand for: imports, globals, instances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from server.guard.python_syntax import bounded_parse
from server.guard.script_index import ScriptModule

MOST_IMPORTS = 300
MOST_SITES = 60
MOST_DEPTH = 6
_FROM = re.compile(
    r"\bimport\s+(?:type\s+)?([^'\";]{1,2000}?)\s+from\s*['\"]([^'\"\n]{1,200})['\"]"
)
_REQUIRE = re.compile(
    r"\b(?:const|let|var)\s+(\{[^{}]{0,1000}\}|[\w$]+)\s*=\s*require\(\s*['\"]([^'\"\n]{1,200})['\"]"
    r"\s*\)(?:\.([\w$]+))?"
)
_PART = re.compile(r"(?:type\s+)?([\w$]+)(?:\s*(?:as|:)\s*([\w$]+))?")
_GLOBAL_OBJECTS = {"window", "globalThis", "self", "global"}
_BINDERS = {
    "required_parameter", "optional_parameter", "formal_parameters", "function_declaration",
    "class_declaration", "shorthand_property_identifier_pattern", "array_pattern", "rest_pattern",
    "catch_clause", "generator_function_declaration", "assignment_pattern", "pair_pattern",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A path in a module; `` is the module of the global names."""

    module: str
    path: str
    is_instance: bool = False


def imports(text: str) -> dict[str, Place]:
    """What the file imports, by local name; an empty path is the whole module."""
    found: dict[str, Place] = {}
    if text.count("import") + text.count("require") > MOST_IMPORTS:
        return found  # no such file is written by hand, and the patterns would take long
    for match in _FROM.finditer(text):
        clause, module = match.groups()
        named = re.search(r"\{([^}]*)\}", clause)
        for name, alias in _PART.findall(named[1]) if named is not None else ():
            found[alias or name] = Place(module, name)
        rest = re.sub(r"\{[^}]*\}", "", clause)
        star = re.search(r"\*\s*as\s+([\w$]+)", rest)
        if star is not None:
            found[star[1]] = Place(module, "")
        default = re.match(r"\s*([\w$]+)", rest)
        if default is not None:
            found[default[1]] = Place(module, "")  # the default of a CommonJS module is all of it
    for match in _REQUIRE.finditer(text):
        target, module, member = match.groups()
        if target.startswith("{"):
            for name, alias in _PART.findall(target):
                found[alias or name] = Place(module, name)
        else:
            found[target] = Place(module, member or "")
    return found


def syntax(language: str, source: bytes) -> Node | None:
    """The tree of a text in an LSP language; None where that takes too long."""
    tree = bounded_parse(Parser(_grammar(language)), source)
    return tree.root_node if tree is not None else None


class ScriptMeanings:
    """Resolves the expressions of one tree, where that can be done without a type checker."""

    def __init__(
        self,
        source: bytes,
        root: Node,
        imported: Mapping[str, Place],
        modules: Mapping[str, ScriptModule],
    ) -> None:
        self._source = source
        self._root = root
        self._imported = imported
        self._modules = modules

    def place(self, node: Node, depth: int = 0) -> Place | None:
        """What an expression stands for."""
        if depth > MOST_DEPTH:
            return None
        match node.type:
            case "identifier" | "type_identifier" | "shorthand_property_identifier":
                return self._name(node, depth + 1)
            case "member_expression":
                value, name = (
                    node.child_by_field_name("object"),
                    node.child_by_field_name("property"),
                )
                if value is None or name is None:
                    return None
                return self._member(value, _text(name), depth + 1)
            case "new_expression":
                made = node.child_by_field_name("constructor")
                place = self.place(made, depth + 1) if made is not None else None
                return self._typed(place.module, place.path) if place and place.path else None
            case "call_expression":
                return self._result(node, depth + 1)
            case "string" | "template_string":
                return Place("", "String", True)
            case "parenthesized_expression" | "await_expression" | "non_null_expression":
                return (
                    self.place(node.named_children[0], depth + 1) if node.named_children else None
                )
            case _:
                return None

    def _member(self, value: Node, name: str, depth: int) -> Place | None:
        owner = self.place(value, depth)
        if owner is None:
            return None
        if owner == Place("", "") or not owner.path:
            return self._value(owner.module, name)
        path = f"{owner.path}.{name}"
        module = self._modules.get(owner.module)
        kind = _above(module, path) if module is not None and owner.is_instance else None
        return self._typed(owner.module, kind) if kind else Place(owner.module, path)

    def _name(self, node: Node, depth: int) -> Place | None:
        name = _text(node)
        sites = self._sites(name, node)
        if name in self._imported:
            return self._imported[name] if not sites else None
        if sites:
            found = [self._bound(site, depth) for site in sites]
            return found[0] if all(one == found[0] for one in found) else None
        if name in _GLOBAL_OBJECTS:
            return Place("", "")
        return self._value("", name)

    def _value(self, module: str, name: str) -> Place:
        known = self._modules.get(module)
        kind = known.types.get(name) if known is not None else None
        is_constructor = kind is not None and kind.endswith("Constructor")
        if kind is None or is_constructor or (known is not None and name in known.deprecated):
            return Place(module, name)
        return self._typed(module, kind)

    def _typed(self, module: str, kind: str) -> Place:
        return Place(module, kind, True)

    def _result(self, node: Node, depth: int) -> Place | None:
        function = node.child_by_field_name("function")
        place = self.place(function, depth) if function is not None else None
        if place is None:
            return None
        module = self._modules.get(place.module)
        kind = _above(module, f"{place.path}()") if module is not None else None
        return self._typed(place.module, kind) if kind is not None else None

    def _sites(self, name: str, node: Node) -> list[Node]:
        """The declarations of `name` before `node` in the scopes around it, but imports."""
        found: list[Node] = []
        pattern = re.compile(
            rb"(?:\b(?:const|let|var|function|class)\s+|[(,{\[]\s*|:\s*)(%s)\b|\b(%s)\s*=>"
            % (re.escape(name.encode()), re.escape(name.encode()))
        )
        for count, match in enumerate(pattern.finditer(self._source)):
            if count > MOST_SITES:
                break
            start, end = match.span(1 if match[1] is not None else 2)
            site = self._root.descendant_for_byte_range(start, end)
            if site is None or site == node or start >= node.start_byte or site.parent is None:
                continue
            if not _binds(site, site.parent):
                continue
            scope = _scope(site)
            if scope.start_byte <= node.start_byte and node.end_byte <= scope.end_byte:
                found.append(site)
        return found

    def _bound(self, site: Node, depth: int) -> Place | None:
        parent = site.parent
        if parent is None:
            return None
        annotation = parent.child_by_field_name("type")
        if annotation is not None and annotation.named_children:
            return self._annotated(annotation.named_children[0], depth)
        if parent.type == "variable_declarator":
            value = parent.child_by_field_name("value")
            return self.place(value, depth) if value is not None else None
        return None

    def _annotated(self, kind: Node, depth: int) -> Place | None:
        text = _text(kind)
        if text == "string":
            return Place("", "String", True)
        if kind.type == "type_identifier":
            place = self.place(kind, depth)
            return Place(place.module, place.path, True) if place is not None else None
        if kind.type == "nested_type_identifier":
            head, _, rest = text.partition(".")
            place = self._imported.get(head)
            if place is not None and not place.path:
                return Place(place.module, rest, True)
        return None


def _above(module: ScriptModule | None, path: str) -> str | None:
    """The type of a member, which a base may own."""
    if module is None:
        return None
    if path in module.types:
        return module.types[path]
    owner, _, last = path.rpartition(".")
    for base in module.bases.get(owner, ()):
        if f"{base}.{last}" in module.types:
            return module.types[f"{base}.{last}"]
    return None


def _binds(site: Node, parent: Node) -> bool:
    if parent.type == "variable_declarator":
        value = parent.child_by_field_name("value")
        is_required = value is not None and _text(value).startswith("require(")
        return parent.child_by_field_name("name") == site and not is_required
    if parent.type == "arrow_function":
        return parent.child_by_field_name("parameter") == site
    if parent.type in ("object_pattern",) and site.type == "shorthand_property_identifier_pattern":
        outer = parent.parent
        value = outer.child_by_field_name("value") if outer is not None else None
        return value is None or not _text(value).startswith("require(")
    return parent.type in _BINDERS and site.type in ("identifier", "type_identifier")


def _scope(site: Node) -> Node:
    outer = site.parent
    if outer is not None and outer.type in ("function_declaration", "class_declaration"):
        outer = outer.parent
    while outer is not None and outer.parent is not None:
        if outer.type in (
            "statement_block",
            "arrow_function",
            "method_definition",
            "for_statement",
        ):
            break
        if outer.type.startswith("function") or outer.type == "for_in_statement":
            break
        outer = outer.parent
    return outer if outer is not None else site


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


@cache
def _grammar(language: str) -> Language:
    match language.lower():
        case "typescript":
            return Language(tree_sitter_typescript.language_typescript())
        case "typescriptreact":
            return Language(tree_sitter_typescript.language_tsx())
        case _:
            return Language(tree_sitter_javascript.language())
