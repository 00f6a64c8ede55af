"""Follows re-exports, so that a deprecated name is known under every path that users write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST_PASSES = 4
"""How deep a chain of packages may import from each other."""
_FROM = re.compile(
    r"^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n\\]*(?:\\\n[^\n\\]*)*)",
    re.MULTILINE,
)
_AS = re.compile(r"(\w+|\*)(?:\s+as\s+(\w+))?")


@dataclass(frozen=True)
class Export:
    """`source` is also reached as `public`; for a star import both are modules."""

    source: str
    public: str
    is_star: bool = False


def read_exports(source: str, module: str) -> Iterator[Export]:
    """What the text of an `__init__.py` (its package is `module`) imports and thereby offers.

    Read without a parser, as there are thousands: an import in a docstring is taken for one.
    """
    for match in _FROM.finditer(source):
        dots, name, imported = match.groups()
        base = _absolute(len(dots), name, module)
        for entry in _AS.finditer(re.sub(r"#[^\n]*", "", imported)):
            if entry[1] == "*":
                yield Export(base, module, is_star=True)
            else:
                yield Export(f"{base}.{entry[1]}", f"{module}.{entry[2] or entry[1]}")


def public_names(defined: Iterable[str], exports: Iterable[Export]) -> dict[str, set[str]]:
    """Each defined name with all public paths that lead to it."""
    known = {name: {name} for name in defined}
    owners: dict[str, set[tuple[str, str]]] = {}
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
    return {name: set(filter(is_public, paths)) for name, paths in known.items()}


def is_public(path: str) -> bool:
    """Whether no part of a path is private."""
    return not path.startswith("_") and "._" not in path


def _reached(export: Export, owners: dict[str, set[tuple[str, str]]]) -> list[tuple[str, str]]:
    reached: list[tuple[str, str]] = []
    for name, path in owners.get(export.source, ()):
        rest = path[len(export.source) :]
        if not export.is_star or (rest and not rest.startswith("._")):
            reached.append((export.public + rest, name))
    return reached


def _own(owners: dict[str, set[tuple[str, str]]], path: str, name: str) -> None:
    """Enters `path` under itself and under each of its parents."""
    parent = path
    while parent:
        owners.setdefault(parent, set()).add((name, path))
        parent = parent.rpartition(".")[0]


def _absolute(dots: int, name: str, package: str) -> str:
    if not dots:
        return name
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - (dots - 1)], *([name] if name else [])])
