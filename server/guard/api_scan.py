"""Finds the deprecated names of one source or stub file; imports nothing of the package."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from server.guard.api_arguments import deprecated_arguments
from server.guard.api_blocks import Blocks, mentions_deprecation
from server.guard.api_evidence import (
    Definition,
    Evidence,
    Function,
    constructor_text,
    last_name,
    whole_evidence,
)
from server.guard.api_text import string_names, successor

SCAN_VERSION = 8
"""Part of every cache key: raise it when the scan finds other things."""
MOST_FILE_BYTES = 2_000_000
MOST_TEXT_CHARS = 300
_SKIPPED_FOLDERS = {
    "tests", "test", "testing", "_tests", "idlelib", "lib2to3", "site-packages", "__pycache__",
    "_vendor", "_vendored", "vendor", "vendored", "vendored_packages", "externals", "extern",
    "third_party", "benchmarks", "_test", "typeshed",
}  # fmt: skip
Truth = Callable[[ast.expr], bool | None]
"""What a condition such as `sys.version_info >= (3, 12)` is for the workspace; None: unknown."""


@dataclass(frozen=True)
class Api:
    """One deprecated name, or one deprecated argument of a name."""

    name: str
    """Where it is defined: `logging.Logger.warn`."""
    evidence: Evidence
    is_constructor: bool
    """Only calling the class is deprecated."""
    argument: str | None
    """Only this keyword of it is."""
    text: str
    """What the package says about it."""
    use: str | None
    """The full name of its successor."""
    is_drop_in: bool
    """The successor stands beside it and takes the same parameters."""


@dataclass(frozen=True)
class _Scope:
    """Where a definition stands."""

    path: str
    is_beside: Callable[[str], bool]
    definition: Callable[[str], ast.stmt | None]
    truth: Truth
    strings: dict[str, str] = field(default_factory=dict[str, str])


def unknown(condition: ast.expr) -> bool | None:
    """The truth of every condition in ordinary source: both branches count."""
    return None


def scan_file(path: Path, module: str, truth: Truth = unknown) -> list[Api]:
    """The deprecated names of one source file."""
    return scan_source(path.read_bytes(), module, truth)


def scan_source(source: bytes, module: str, truth: Truth = unknown) -> list[Api]:
    """The deprecated names of a module's text."""
    if len(source) > MOST_FILE_BYTES or not mentions_deprecation(source):
        return []
    blocks = Blocks(source)
    try:
        body = blocks.mentioning()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # another Python's syntax, or a test file that is broken on purpose
    scope = _Scope(module, blocks.defines, blocks.definition, truth, string_names(body))
    return [one for one in _definitions(body, scope) if blocks.is_whole(one.name, module, body)]


def source_files(root: Path, package: str) -> Iterator[tuple[Path, str]]:
    """Every source and stub file below `root` with its dotted name; `root` may be one module."""
    if root.is_file():
        yield root, package
        return
    with os.scandir(root) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        stem, dot, ending = entry.name.rpartition(".")
        if dot and ending in ("py", "pyi") and stem.isidentifier():
            if not stem.startswith("test_"):
                yield Path(entry.path), package if stem == "__init__" else f"{package}.{stem}"
        elif (
            entry.name.isidentifier()
            and entry.name not in _SKIPPED_FOLDERS
            and entry.is_dir(follow_symlinks=False)
        ):
            yield from source_files(Path(entry.path), f"{package}.{entry.name}")


def _definitions(body: list[ast.stmt], scope: _Scope) -> Iterator[Api]:
    """Of several definitions of one name (overloads, accessors) all must be deprecated."""
    found: dict[str, list[Api | None]] = {}
    for node in _live(body, scope.truth):
        if not isinstance(node, Definition):
            continue
        whole: Api | None = None
        for one in _definition(node, scope):
            if one.argument is None and one.name == f"{scope.path}.{node.name}":
                whole = one
            else:
                yield one
        found.setdefault(node.name, []).append(whole)
    for several in found.values():
        last = several[-1]
        if last is not None and all(several):
            yield last


def _live(body: list[ast.stmt], truth: Truth) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):
            is_true = truth(node.test)
            if is_true is not False:
                yield from _live(node.body, truth)
            if is_true is not True:
                yield from _live(node.orelse, truth)
        elif isinstance(node, ast.Try):
            yield from _live([*node.body, *node.orelse], truth)
        else:
            yield node


def _definition(node: Definition, scope: _Scope) -> Iterator[Api]:
    """What is deprecated inside the definition, and last the definition itself."""
    found = whole_evidence(node, scope.strings)
    if isinstance(node, ast.ClassDef):
        beside = {one.name: one for one in node.body if isinstance(one, Definition)}
        names = set(beside) | {
            target.id
            for one in node.body
            if isinstance(one, ast.Assign)
            for target in one.targets
            if isinstance(target, ast.Name)
        }
        path = f"{scope.path}.{node.name}"
        inner = _Scope(path, names.__contains__, beside.get, scope.truth, scope.strings)
        if found is None:
            yield from _definitions(node.body, inner)
            yield from _arguments(beside.get("__init__"), scope, node.name)
            text = constructor_text(node, scope.strings)
            if text is not None:
                yield _api(node, scope, "always", text, is_constructor=True)
    elif not node.name.startswith("__") and found is None:
        yield from _arguments(node, scope, node.name)
    if found is not None and not node.name.startswith("__"):
        yield _api(node, scope, found[0], found[1])


def _arguments(node: ast.stmt | None, scope: _Scope, name: str) -> Iterator[Api]:
    if not isinstance(node, Function):
        return
    for argument, text in deprecated_arguments(node, scope.strings):
        path, text = f"{scope.path}.{name}", " ".join(text.split())[:MOST_TEXT_CHARS]
        yield Api(path, "argument", False, argument, text, None, False)


def _api(
    node: Definition, scope: _Scope, evidence: Evidence, text: str, *, is_constructor: bool = False
) -> Api:
    text = " ".join(text.split())[:MOST_TEXT_CHARS]
    path = f"{scope.path}.{node.name}"
    use = successor(text, node.name, scope.path, scope.is_beside)
    is_drop_in = False
    if use is not None and use.rpartition(".")[0] == scope.path:
        is_drop_in = _is_drop_in(node, scope.definition(use.rpartition(".")[2]))
    return Api(path, evidence, is_constructor, None, text, use, is_drop_in)


def _is_drop_in(node: Definition, other: ast.stmt | None) -> bool:
    if isinstance(node, ast.ClassDef):
        bases = [last_name(base) for base in node.bases]
        return isinstance(other, ast.ClassDef) and other.name in bases
    if not isinstance(other, Function) or _kind(node) != _kind(other):
        return False
    return _parameters(node.args) == _parameters(other.args)


def _kind(node: Function) -> set[str]:
    """Whether it is read or called, and on what."""
    kinds = {"property", "cached_property", "classmethod", "staticmethod"}
    is_async = {"async"} if isinstance(node, ast.AsyncFunctionDef) else set[str]()
    return {last_name(one) for one in node.decorator_list} & kinds | is_async


def _parameters(arguments: ast.arguments) -> str:
    """The parameters without their annotations: those may differ where the calls do not."""
    bare = [arguments.posonlyargs, arguments.args, arguments.kwonlyargs]
    names = [[one.arg for one in several] for several in bare]
    rest = [one.arg if one else None for one in (arguments.vararg, arguments.kwarg)]
    defaults = [
        ast.dump(one) if one else None for one in (*arguments.defaults, *arguments.kw_defaults)
    ]
    return repr((names, rest, defaults))
