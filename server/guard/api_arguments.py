"""Which arguments of a function are deprecated: by decorator, guarded warning or docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from inspect import cleandoc

from server.guard.api_evidence import Function, last_name, warning_text

_DECORATOR = re.compile(
    r"(?:delete|rename|deprecated?|remove)d?_?(?:\w+_)?(?:param(?:eter)?|kwarg|kwd|arg(?:ument)?|"
    r"keyword)s?\Z"
)
_GOING = re.compile(r"(?i)deprecat|remov|no longer|renamed|obsolete")
_VALUES = re.compile(
    r"(?i)\b(?:default|values?|option|passing (?!`)|type of|when|as an? |None|must|then)\b"
)
_ENTRY = re.compile(r"(?m)^(?P<name>[a-z_]\w*) ?:.*\n(?P<body>(?:[ \t]+.*\n|[ \t]*\n)+)")
_DIRECTIVE = re.compile(r"\.\. deprecated::[^\n]*\n(?:[ \t]*\n)?((?:[ \t]+\S.*\n){1,3})")


def deprecated_arguments(node: Function, strings: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Name and text of each argument that need not be written any more."""
    taken = {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    found: dict[str, str] = {}
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and _DECORATOR.match(last_name(decorator).lstrip("_")):
            found |= _by_decorator(decorator, taken)
    for statement in node.body:
        if isinstance(statement, ast.If):
            found |= _by_warning(statement, taken, strings)
    found |= _by_docstring(ast.get_docstring(node, clean=False) or "", taken)
    found.pop("self", None)
    yield from found.items()


def _by_decorator(decorator: ast.Call, taken: set[str]) -> dict[str, str]:
    values = [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
    names = [
        value.value
        for value in values
        if isinstance(value, ast.Constant)
        and isinstance(value.value, str)
        and value.value.isidentifier()
    ]
    if not names:
        return {}
    old, new = names[0], names[1] if len(names) > 1 and names[1] in taken else None
    return {old: f"use {new} instead" if new else ""}


def _by_warning(test: ast.If, taken: set[str], strings: dict[str, str]) -> dict[str, str]:
    """`if old is not None: warn("old is deprecated", DeprecationWarning)`."""
    match test.test:
        case ast.Compare(left=ast.Name(id=name), ops=[ast.IsNot()]) if name in taken:
            pass
        case ast.Compare(
            left=ast.Name(id=name),
            ops=[ast.NotEq()],
            comparators=[ast.Constant(value="deprecated")],
        ) if name in taken:
            pass
        case _:
            return {}
    for statement in test.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            text = warning_text(statement.value, strings) or ""
            is_named = re.search(rf"(?<![\w.]){re.escape(name)}\b", text)
            if is_named and _GOING.search(text) and not _VALUES.search(text):
                return {name: text}
    return {}


def _by_docstring(doc: str, taken: set[str]) -> dict[str, str]:
    if ".. deprecated::" not in doc:
        return {}
    found: dict[str, str] = {}
    for entry in _ENTRY.finditer(cleandoc(doc) + "\n"):
        directive = _DIRECTIVE.search(entry["body"]) if entry["name"] in taken else None
        if directive is not None and not _VALUES.search(directive[1]):
            found[entry["name"]] = directive[1]
    return found
