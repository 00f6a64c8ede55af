"""Follows re-exports, so that a deprecated name is known under every path that users write."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MOST_PASSES = 4
"""How deep a chain of packages may import from each other."""


@dataclass(frozen=True)
class Export:
    """`source` is also reached as `public`; for a star import both are modules."""

    source: str
    public: str
    is_star: bool = False


def read_exports(path: Path, module: str) -> list[Export]:
    """What an `__init__.py` (its package is `module`) imports and thereby offers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    exports: list[Export] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        source = _absolute(node, module)
        for alias in node.names:
            if alias.name == "*":
                exports.append(Export(source, module, is_star=True))
            else:
                public = f"{module}.{alias.asname or alias.name}"
                exports.append(Export(f"{source}.{alias.name}", public))
    return exports


def public_names(defined: Iterable[str], exports: Iterable[Export]) -> dict[str, set[str]]:
    """Each defined name with all paths that lead to it, itself included."""
    known = {name: {name} for name in defined}
    owners: dict[str, set[str]] = {}
    for name in known:
        _own(owners, name, name)
    exports = list(exports)
    for _ in range(MOST_PASSES):
        before = sum(map(len, known.values()))
        for export in exports:
            for path, name in _reached(export, owners):
                if path not in known[name]:
                    known[name].add(path)
                    _own(owners, path, name)
        if sum(map(len, known.values())) == before:
            break
    return {name: set(filter(_is_public, paths)) for name, paths in known.items()}


def _reached(export: Export, owners: dict[str, set[str]]) -> list[tuple[str, str]]:
    reached: list[tuple[str, str]] = []
    for entry in owners.get(export.source, ()):
        name, path = entry.split(" ")
        rest = path[len(export.source) :]
        if not export.is_star or (rest and not rest.startswith("._")):
            reached.append((export.public + rest, name))
    return reached


def _own(owners: dict[str, set[str]], path: str, name: str) -> None:
    """Enters `path` under itself and under each of its parents."""
    parts = path.split(".")
    for count in range(1, len(parts) + 1):
        owners.setdefault(".".join(parts[:count]), set()).add(f"{name} {path}")


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _is_public(path: str) -> bool:
    return not any(part.startswith("_") for part in path.split("."))
