"""What leads to an instance of a class with deprecated members: its subclasses, what returns it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from server.guard.api_scan import Api

MOST_GENERATIONS = 3
MOST_FILES = 3000
MOST_HEIRS = 1000
"""A package with more of them has one base for everything, whose old members nobody calls."""
_CLASS = re.compile(rb"\nclass (\w+)\s*\(([^)]*)\)\s*:")
_MEMBER = re.compile(rb"^    (?:async\s+)?(?:def\s+(\w+)|(\w+)\s*(?::[^=\n]+)?=)", re.MULTILINE)
_NEXT = re.compile(rb"^\S", re.MULTILINE)
_WORD = re.compile(rb"\w+(?=\s*(?:[,\[]|\Z))")


@dataclass(frozen=True)
class Subclass:
    """A class with the last names of its bases, and where its body stands."""

    path: str
    bases: frozenset[str]
    file: Path
    start: int

    def members(self) -> frozenset[str]:
        """What it defines itself."""
        source = self.file.read_bytes()
        end = _NEXT.search(source, self.start)
        body = source[self.start : end.start() if end else len(source)]
        return frozenset((a or b).decode() for a, b in _MEMBER.findall(body))


class Lineage:
    """Collects, from a package's files, what leads to the classes that own deprecated members."""

    def __init__(self, apis: Iterable[Api]) -> None:
        self._apis = [one for one in apis if _owner(one)[:1].isupper()]
        self._owners: dict[str, set[str]] = {}
        """The full names of the classes with deprecated members, by their last names."""
        for one in self._apis:
            self._owners.setdefault(_owner(one), set()).add(one.name.rpartition(".")[0])
        self._classes: list[Subclass] = []
        names = b"|".join(re.escape(name.encode()) for name in sorted(self._owners))
        self._returns = re.compile(
            rb"^def\s+(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*->\s*[\"']?(" + names + rb")[\"']?\s*:",
            re.MULTILINE,
        )
        self._arrows = [f"-> {name}".encode() for name in self._owners]
        self.returns: dict[str, str] = {}
        """The class that a function returns, by their defined names."""

    def __bool__(self) -> bool:
        return bool(self._apis)

    def read(self, source: bytes, module: str, file: Path) -> None:
        """Note the classes and annotated functions of one file."""
        for match in _CLASS.finditer(source) if b"\nclass " in source else ():
            bases = frozenset(word.decode() for word in _WORD.findall(match[2]))
            path = f"{module}.{match[1].decode()}"
            self._classes.append(Subclass(path, bases, file, match.end()))
        if any(arrow in source for arrow in self._arrows):
            for match in self._returns.finditer(source):
                if source.count(b"\ndef " + match[1] + b"(") > 1:
                    continue  # overloads, which return this and that
                path = f"{module}.{match[1].decode()}"
                self.returns[path] = _nearest(self._owners[match[2].decode()], path)

    def heirs(self) -> dict[str, str]:
        """Each class that inherits deprecated members, with the class that it has them from.

        A class that defines one of them itself is left out with everything below it.
        """
        members: dict[str, set[str]] = {}
        for one in self._apis:
            members.setdefault(_owner(one), set()).add(_last(one))
        known, found = dict(self._owners), dict[str, str]()
        for _ in range(MOST_GENERATIONS):
            new: dict[str, tuple[str, str]] = {}
            for heir in self._classes:
                last = heir.path.rpartition(".")[2]
                base = next((base for base in sorted(heir.bases) if base in known), None)
                is_other = heir.path not in known.get(last, {heir.path})
                if base is None or is_other or heir.path in found or base == last:
                    continue
                if not heir.members().isdisjoint(members[base]):
                    continue
                new[last] = heir.path, base
            for last, (path, base) in new.items():
                found[path] = _nearest(known[base], path)
                known.setdefault(last, {path})
                members[last] = members[base] | members.get(last, set())
        return found if len(found) <= MOST_HEIRS else {}


def _nearest(paths: set[str], path: str) -> str:
    """Of several classes with one name the one that `path` most likely means."""
    return max(sorted(paths, key=len), key=lambda one: _shared(one, path))


def _shared(one: str, other: str) -> int:
    """How many parts two paths have in common at their beginning."""
    pairs = zip(one.split("."), other.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _owner(api: Api) -> str:
    """The last name of the class that a member belongs to; of a function, its module's."""
    return api.name.rpartition(".")[0].rpartition(".")[2]


def _last(api: Api) -> str:
    return api.name.rpartition(".")[2]
