"""What a TypeScript declaration file says: deprecated names, their types, and re-exports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

_TAG = re.compile(r"@deprecated\b(.*?)(?=\n\s*\*?\s*@|\*/|\Z)", re.DOTALL)
_MEMBERS = {
    "method_signature", "property_signature", "public_field_definition", "construct_signature",
    "abstract_method_signature", "method_definition",
}  # fmt: skip
_CLASSES = {"class_declaration", "abstract_class_declaration", "interface_declaration"}
MOST_TEXT_CHARS = 300


@dataclass
class Declarations:
    """One module: a file, or a `declare module "name"` in one."""

    marks: dict[str, list[str | None]] = field(default_factory=dict[str, "list[str | None]"])
    """The deprecation of each declaration of a path (`exists`, `Stats.foo`); None: it has none."""
    types: dict[str, str] = field(default_factory=dict[str, str])
    """The type of a value, or of what a function returns (`createServer()`)."""
    bases: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    exported: dict[str, str] = field(default_factory=dict[str, str])
    """Public names with what they are called inside."""
    imported: dict[str, tuple[str, str]] = field(default_factory=dict[str, "tuple[str, str]"])
    """Public names with the module and the name there that they come from."""
    stars: list[str] = field(default_factory=list[str])

    def deprecated(self) -> dict[str, str]:
        """The paths whose every declaration is deprecated, with what they say."""
        return {
            path: next(filter(None, marks), "")
            for path, marks in self.marks.items()
            if all(mark is not None for mark in marks)
        }


def read_declarations(source: bytes) -> dict[str, Declarations]:
    """The modules of a file by name; `` is the file itself."""
    modules = {"": Declarations()}
    root = Parser(_language()).parse(source).root_node
    for node, mark in _marked(root):
        name, body = _ambient(node)
        if body is None:
            _declare(node, mark, "", modules[""], is_exported=False)
            continue
        found = modules.setdefault(name, Declarations())
        for inner, inner_mark in _marked(body):
            if inner.type == "statement_block":  # `global { }`
                for one, one_mark in _marked(inner):
                    _declare(one, one_mark, "", modules[""], is_exported=True)
            else:
                _declare(inner, inner_mark, "", found, is_exported=True)
    return modules


def _marked(body: Node) -> Iterator[tuple[Node, str | None]]:
    """The statements of a body, each with the deprecation that stands before it."""
    mark: str | None = None
    for node in body.named_children:
        if node.type == "comment":
            tag = _TAG.search(_text(node)) if b"@deprecated" in (node.text or b"") else None
            if _text(node).startswith("/**"):
                mark = _clean(tag[1]) if tag is not None else None
        else:
            yield node, mark
            mark = None


def _clean(text: str) -> str:
    text = re.sub(r"(?m)^\s*\*", " ", text)
    text = re.sub(r"\{@link(?:code|plain)?\s+([^\s|}]+)[^}]*\}", r"`\1`", text)
    return " ".join(text.split())[:MOST_TEXT_CHARS].lstrip("-: ")


def _ambient(node: Node) -> tuple[str, Node | None]:
    """Name and body of a `declare module "name" { }`; `` for `declare global { }`."""
    inner = node.named_children[0] if node.named_children else node
    if node.type != "ambient_declaration":
        return "", None
    if inner.type == "statement_block":
        return "", inner
    name, body = inner.child_by_field_name("name"), inner.child_by_field_name("body")
    if inner.type == "module" and name is not None and name.type == "string" and body is not None:
        return _text(name).strip("\"'"), body
    return "", None


def _declare(
    node: Node, mark: str | None, scope: str, found: Declarations, *, is_exported: bool
) -> None:
    """Enter one statement; `scope` is the namespace around it, with its dot."""
    if node.type == "export_statement":
        if not _re_exported(node, found):
            for inner in node.named_children:
                _declare(inner, mark, scope, found, is_exported=True)
        return
    if node.type in ("ambient_declaration", "expression_statement"):
        for inner in node.named_children:
            _declare(inner, mark, scope, found, is_exported=is_exported)
        return
    if node.type in ("lexical_declaration", "variable_declaration"):
        for one in node.named_children:
            if one.type == "variable_declarator":
                _value(one, mark, scope, found, is_exported=is_exported)
        return
    name = node.child_by_field_name("name")
    if name is None:
        return
    path = scope + _text(name)
    body = node.child_by_field_name("body")
    if node.type in ("internal_module", "module"):
        for inner, inner_mark in _marked(body) if body is not None else ():
            _declare(inner, inner_mark, f"{path}.", found, is_exported=True)
    elif node.type in _CLASSES:
        _class(node, path, found)
        found.marks.setdefault(path, []).append(mark)
    elif node.type in ("function_signature", "function_declaration", "enum_declaration"):
        found.marks.setdefault(path, []).append(mark)
        kind = _type(node.child_by_field_name("return_type"))
        if kind is not None:
            found.types[f"{path}()"] = kind
    else:
        return
    if is_exported and not scope:
        found.exported[path] = path


def _value(
    node: Node, mark: str | None, scope: str, found: Declarations, *, is_exported: bool
) -> None:
    name = node.child_by_field_name("name")
    if name is None:
        return
    path = scope + _text(name)
    found.marks.setdefault(path, []).append(mark)
    kind = _type(node.child_by_field_name("type"))
    if kind is not None:
        found.types[path] = kind
    if is_exported and not scope:
        found.exported[path] = path


def _class(node: Node, path: str, found: Declarations) -> None:
    body = node.child_by_field_name("body")
    for member, mark in _marked(body) if body is not None else ():
        if member.type not in _MEMBERS:
            continue
        name = member.child_by_field_name("name")
        own = "constructor" if name is None else _text(name)
        found.marks.setdefault(f"{path}.{own}", []).append(mark)
        kind = _type(member.child_by_field_name("type"))
        if kind is not None and member.type in ("property_signature", "public_field_definition"):
            found.types[f"{path}.{own}"] = kind
        kind = _type(member.child_by_field_name("return_type"))
        if kind is not None:
            found.types[f"{path}.{own}()"] = kind
    for child in node.named_children:
        if child.type in ("class_heritage", "extends_type_clause", "extends_clause"):
            names = re.sub(r"<[^<>]*>|implements.*", "", _text(child)).removeprefix("extends")
            found.bases.setdefault(path, []).extend(re.findall(r"[A-Za-z_$][\w.$]*", names))


def _re_exported(node: Node, found: Declarations) -> bool:
    source = node.child_by_field_name("source")
    module = _text(source).strip("\"'") if source is not None else None
    clause = next((one for one in node.named_children if one.type == "export_clause"), None)
    if clause is not None:
        for one in clause.named_children:
            name, alias = one.child_by_field_name("name"), one.child_by_field_name("alias")
            if name is None:
                continue
            public = _text(alias or name)
            if module is None:
                found.exported[public] = _text(name)
            else:
                found.imported[public] = module, _text(name)
        return True
    if module is not None:
        if not any(one.type == "namespace_export" for one in node.named_children):
            found.stars.append(module)
        return True
    inner = node.named_children[0] if len(node.named_children) == 1 else None
    if inner is not None and inner.type == "identifier":
        is_default = any(child.type == "default" for child in node.children)
        found.exported["default" if is_default else "="] = _text(inner)
        return True
    return False


def _type(annotation: Node | None) -> str | None:
    """The class that a type annotation names, if it is but that."""
    text = _text(annotation).lstrip(": ") if annotation is not None else ""
    text = re.sub(r"\s*\|\s*(?:null|undefined)\b", "", text)
    text = re.sub(r"<[^<>]*>$", "", text)
    if text == "string":
        return "String"
    return text if re.fullmatch(r"[A-Z][\w.]*", text) else None


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


@cache
def _language() -> Language:
    return Language(tree_sitter_typescript.language_typescript())
