"""Finds the deprecated names of one package by reading its source; imports nothing of the package.

Only whole functions, methods and classes count. A warning under an `if` is about an argument or a
platform, so it is left out, as are warnings whose text is about an argument.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Evidence = Literal["decorator", "always", "doc", "stub"]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

SCAN_VERSION = 1
"""Part of every cache key: raise it when the scan finds other things."""
MOST_FILE_BYTES = 2_000_000
MOST_TEXT_CHARS = 300
_MENTIONS = re.compile(rb"(?i)deprecat|FutureWarning")
_SKIPPED_FOLDERS = {
    "tests",
    "test",
    "testing",
    "idlelib",
    "lib2to3",
    "site-packages",
    "__pycache__",
}
_ABOUT_ARGUMENTS = re.compile(r"arg|param|positional|keyword|default|option|rename|alias")
_ARGUMENT_TEXT = re.compile(
    r"(?i)\b(?:arguments?|parameters?|passing|keywords?|positional|options?|default (?:value|of)"
    r"|setting|specifying|calling .{1,40} with|usage of|values?|dtype)\b"
)
_DOC_DIRECTIVE = re.compile(r"(?m)^([ \t]*)\.\. deprecated::(.*(?:\n[ \t]+.*|\n[ \t]*$){0,6})")
_DOC_TEXT = re.compile(
    r"(?is)^\W{0,4}deprecated\b"
    r"|^.{0,200}?\bthis (?:function|method|class) (?:is|has been) deprecated\b"
)
_GONE = re.compile(r"(?i)deprecated|has been removed|was removed|no longer (?:supported|available)")
_SUCCESSOR = re.compile(
    r"(?:\b[Uu]se|\b[Pp]refer|in favou?r of|[Rr]eplaced (?:by|with)|[Rr]enamed (?:to|as)"
    r"|superseded by)"
    r"\s+(?:the\s+)?(?:function\s+|method\s+|class\s+)?(?::\w+:)?[`'\"~]*([A-Za-z_][\w.]*\w)"
)


@dataclass(frozen=True)
class Api:
    """One deprecated name."""

    name: str
    """Where it is defined: `logging.Logger.warn`."""
    evidence: Evidence
    is_constructor: bool
    """Only calling the class is deprecated."""
    text: str
    """What the package says about it."""
    use: str | None
    """Its successor, as the package names it: defined beside it, or a full name."""
    is_drop_in: bool
    """The successor stands beside it and takes the same parameters."""


@dataclass(frozen=True)
class _Scope:
    """Where a definition stands."""

    path: str
    siblings: dict[str, ast.stmt]
    """The names defined beside it."""
    strings: dict[str, str] = field(default_factory=dict[str, str])


def scan_file(path: Path, module: str) -> list[Api]:
    """The deprecated names of one source file."""
    source = path.read_bytes()
    if len(source) > MOST_FILE_BYTES or not _MENTIONS.search(source):
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # another Python's syntax, or a test file that is broken on purpose
    return list(_definitions(tree.body, _Scope(module, _names(tree.body), _strings(tree.body))))


def source_files(root: Path, package: str) -> Iterator[tuple[Path, str]]:
    """Every source file below `root` with its dotted name; `root` may be a single module."""
    if root.is_file():
        yield root, package
        return
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if _SKIPPED_FOLDERS.isdisjoint(parts) and not parts[-1].startswith("test_"):
            names = parts[:-1] if parts[-1] == "__init__" else parts
            yield path, ".".join((package, *names))


def _definitions(body: list[ast.stmt], scope: _Scope) -> Iterator[Api]:
    for node in body:
        if isinstance(node, Definition):
            yield from _definition(node, scope)
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse], scope)


def _definition(node: Definition, scope: _Scope) -> Iterator[Api]:
    path = f"{scope.path}.{node.name}"
    found = _by_decorator(node, scope) or _by_docstring(node)
    if isinstance(node, ast.ClassDef):
        inner = _Scope(path, _names(node.body), scope.strings)
        yield from (api for api in _definitions(node.body, inner) if not api.is_constructor)
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__" and not found:
                text = _by_warning(method, scope)
                if text is not None:
                    yield _api(node, scope, "always", text, is_constructor=True)
    elif found is None:
        if (text := _by_warning(node, scope)) is not None:
            found = "always", text
        elif (text := _by_stub(node, scope)) is not None:
            found = "stub", text
    if found is not None and not node.name.startswith("__"):
        yield _api(node, scope, found[0], found[1])


def _api(
    node: Definition, scope: _Scope, evidence: Evidence, text: str, *, is_constructor: bool = False
) -> Api:
    use = _successor(text, scope, node.name)
    other = scope.siblings.get(use) if use else None
    text = " ".join(text.split())[:MOST_TEXT_CHARS]
    path = f"{scope.path}.{node.name}"
    return Api(path, evidence, is_constructor, text, use, _is_drop_in(node, other))


def _is_drop_in(node: Definition, other: ast.stmt | None) -> bool:
    if isinstance(node, ast.ClassDef):
        bases = [_last_name(base) for base in node.bases]
        return isinstance(other, ast.ClassDef) and other.name in bases
    if not isinstance(other, Function):
        return False
    return ast.dump(node.args, include_attributes=False) == ast.dump(
        other.args, include_attributes=False
    )


def _by_decorator(node: Definition, scope: _Scope) -> tuple[Evidence, str] | None:
    names = [_last_name(decorator) for decorator in node.decorator_list]
    if "overload" in names:
        return None
    for name, decorator in zip(names, node.decorator_list, strict=True):
        if "deprecat" not in name.lower() or _ABOUT_ARGUMENTS.search(name.lower()):
            continue
        texts: list[str] = []
        if isinstance(decorator, ast.Call):
            values = [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
            texts = [_text(value, scope.strings) for value in values]
        return "decorator", " ".join(filter(None, texts))
    return None


def _by_docstring(node: Definition) -> tuple[Evidence, str] | None:
    doc = ast.get_docstring(node) or ""
    if "eprecated" not in doc and "EPRECATED" not in doc:
        return None
    directive = _DOC_DIRECTIVE.search(doc)
    if directive is not None and not directive[1]:
        return "doc", directive[2]
    if not _DOC_TEXT.search(doc):
        return None
    text = next(part for part in doc.split("\n\n") if "deprecated" in part.lower())
    return None if _ARGUMENT_TEXT.search(text) else ("doc", text)


def _by_warning(node: Function, scope: _Scope) -> str | None:
    """The text of a deprecation warning that every call of the function gives."""
    strings = scope.strings | _strings(node.body)
    for statement in node.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            text = _warning_text(statement.value, strings)
            if text is not None:
                return None if _ARGUMENT_TEXT.search(text) else text
        elif any(isinstance(inner, ast.Return) for inner in ast.walk(statement)):
            return None
    return None


def _warning_text(call: ast.Call, strings: dict[str, str]) -> str | None:
    name = _last_name(call.func)
    if name not in ("warn", "_deprecated", "warn_deprecated", "deprecation_warning", "deprecated"):
        return None
    text = _text(call.args[0], strings) if call.args else ""
    values = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
    is_category = any(
        "Deprecat" in _last_name(value) and "Pending" not in _last_name(value) for value in values
    )
    if name == "warn" and not is_category and "deprecated" not in text.lower():
        return None
    return text if len(text) >= 4 or name == "_deprecated" else None


def _by_stub(node: Function, scope: _Scope) -> str | None:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return None
    raised = body[0].exc
    if not isinstance(raised, ast.Call) or not raised.args:
        return None
    text = _text(raised.args[0], scope.strings)
    return text if _GONE.search(text) and not _ARGUMENT_TEXT.search(text) else None


def _successor(text: str, scope: _Scope, name: str) -> str | None:
    for match in _SUCCESSOR.finditer(text):
        use = match[1].removesuffix("()")
        last = use.rsplit(".", 1)[-1]
        if last == name and "." not in use:
            continue
        if "." not in use and use in scope.siblings:
            return use
        if "." in use and (use.startswith(scope.path + ".") or last in scope.siblings):
            return last if last in scope.siblings and last != name else use
        if use.count(".") >= 1 and use.split(".")[0] == scope.path.split(".")[0]:
            return use
    return None


def _names(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, Definition):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: node for alias in node.names}
        elif isinstance(node, ast.If | ast.Try):
            found |= _names([*node.body, *node.orelse])
    return found


def _strings(body: list[ast.stmt]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = _text(node.value, found)
            if text:
                found[node.targets[0].id] = text
    return found


def _text(node: ast.expr, strings: dict[str, str]) -> str:
    """What is known of a string expression; holes are left out."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, strings) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, strings) + _text(right, strings)
        case ast.BinOp(left=left, op=ast.Mod()):
            return _text(left, strings)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            return _text(value, strings)
        case ast.Call(args=[first, *_]):
            return _text(first, strings)
        case ast.Name(id=name):
            return strings.get(name, "")
        case _:
            return ""


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
