"""What a module specifier means in a workspace: its declaration files, and what they deprecate."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from server.guard.script_declarations import Declarations, read_declarations

MOST_FILES = 400
MOST_FILE_BYTES = 4_000_000
MOST_DEPTH = 12
_ENDINGS = (".d.ts", ".d.mts", ".d.cts", "/index.d.ts", "/index.d.mts")


@dataclass
class Module:
    """What a module deprecates, by its public paths."""

    deprecated: dict[str, str] = field(default_factory=dict[str, str])
    types: dict[str, str] = field(default_factory=dict[str, str])
    bases: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    package: str = ""
    """Name and version, for the message."""


class Modules:
    """Reads the declarations below one folder with `node_modules`; each file once."""

    def __init__(self, root: Path) -> None:
        self._packages = root / "node_modules"
        self._files: dict[Path, dict[str, Declarations]] = {}
        self._ambient: dict[str, list[Declarations]] | None = None

    def read(self, specifier: str) -> Module:
        """What `specifier` deprecates; `` stands for what is known without an import."""
        if not specifier:
            return self._globals()
        name = specifier.removeprefix("node:")
        node = [*self._node().get(name, []), *self._node().get(f"node:{name}", [])]
        if node:
            module = Module(package=_title(self._packages / "@types/node"))
            for one in node:
                _add(module, one)
            return module
        for folder, inside in _places(self._packages, specifier):
            entry = _entry(folder, inside)
            if entry is not None:
                module = Module(package=_title(folder))
                self._follow(entry, None, module, set(), 0)
                return module
        return Module()

    def _globals(self) -> Module:
        """The standard libraries of JavaScript and the browser, and Node's own global names."""
        typescript = self._packages / "typescript"
        module = Module(package=_title(typescript))
        marks = Declarations()
        files = sorted(typescript.glob("lib/lib.*.d.ts"))
        for path in (*files, *sorted((self._packages / "@types/node").glob("*.d.ts"))):
            found = self._declarations(path).get("")
            if found is None or "webworker" in path.name:
                continue
            for name, several in found.marks.items():
                marks.marks.setdefault(name, []).extend(several)
            marks.types |= found.types
            for name, bases in found.bases.items():
                marks.bases.setdefault(name, []).extend(bases)
        _add(module, marks)
        return module

    def _follow(
        self, path: Path, wanted: dict[str, str] | None, into: Module, seen: set[Path], depth: int
    ) -> None:
        """Add what a file exports; `wanted`: only these of its names, under those public names."""
        if (path in seen and wanted is None) or depth > MOST_DEPTH or len(seen) > MOST_FILES:
            return
        seen.add(path)
        found = self._declarations(path).get("")
        if found is None:
            return
        exported = found.exported if wanted is None else _picked(found.exported, wanted)
        whole = found.exported.get("=")
        _add(into, found, exported | ({whole: whole} if whole and wanted is None else {}), whole)
        named: dict[str, dict[str, str]] = {}
        for public, (module, name) in found.imported.items():
            public = wanted.get(public, "") if wanted is not None else public
            if public:
                named.setdefault(module, {})[name] = public
        for module, names in (*named.items(), *((star, wanted) for star in found.stars)):
            near = _near(path.parent / module) if module.startswith(".") else None
            if near is not None:
                self._follow(near, names, into, seen, depth + 1)

    def _declarations(self, path: Path) -> dict[str, Declarations]:
        if path not in self._files:
            found: dict[str, Declarations] = {}
            with contextlib.suppress(OSError):
                source = path.read_bytes()
                if len(source) <= MOST_FILE_BYTES:
                    found = read_declarations(source)
            self._files[path] = found
        return self._files[path]

    def _node(self) -> dict[str, list[Declarations]]:
        if self._ambient is None:
            self._ambient = {}
            for path in sorted((self._packages / "@types/node").rglob("*.d.ts")):
                if "ts5" in str(path) or "ts4" in str(path):
                    continue
                for name, found in self._declarations(path).items():
                    if name:
                        self._ambient.setdefault(name, []).append(found)
        return self._ambient


def _picked(exported: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    return {public: exported[name] for name, public in wanted.items() if name in exported}


def _add(
    into: Module,
    found: Declarations,
    exported: dict[str, str] | None = None,
    whole: str | None = None,
) -> None:
    """Enter what is exported (None: everything); members of `whole` are the module's own."""
    inside: dict[str, list[str]] = {}
    for public, name in (exported or {}).items():
        inside.setdefault(name, []).append(public)
    for path, text in found.deprecated().items():
        head, dot, rest = path.partition(".")
        for public in [head] if exported is None else inside.get(head, []):
            into.deprecated[public + dot + rest] = text
        if whole is not None and head == whole and rest:
            into.deprecated[rest] = text
    into.types |= found.types
    into.bases |= found.bases
    for path, text in found.deprecated().items():  # instances are reached without an export
        if "." in path:
            into.deprecated.setdefault(path, text)


def _places(packages: Path, specifier: str) -> list[tuple[Path, str]]:
    """The folders that may declare a package, and the path inside."""
    parts = specifier.split("/")
    count = 2 if specifier.startswith("@") else 1
    name, inside = "/".join(parts[:count]), "/".join(parts[count:])
    typed = name.removeprefix("@").replace("/", "__")
    return [(packages / name, inside), (packages / "@types" / typed, inside)]


def _entry(folder: Path, inside: str) -> Path | None:
    if not folder.is_dir():
        return None
    said: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        said = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    if isinstance(said.get("exports"), dict):
        exports: dict[str, Any] = said["exports"]
        key = f"./{inside}" if inside else "."
        target = _types(exports.get(key, exports if not inside else None))
        if target is not None and (path := _near(folder / target)) is not None:
            return path
    if inside:
        return _near(folder / inside)
    named = said.get("types") or said.get("typings")
    for candidate in (named, said.get("main"), "index"):
        if isinstance(candidate, str) and (path := _near(folder / candidate)) is not None:
            return path
    return None


def _types(target: object) -> str | None:
    """The declaration file that an entry of `exports` names."""
    if isinstance(target, str):
        return target
    if isinstance(target, dict):
        conditions = cast("dict[str, object]", target)
        for key in ("types", "import", "require", "node", "default"):
            found = _types(conditions.get(key))
            if found is not None:
                return found
    return None


def _near(path: Path) -> Path | None:
    """The declarations beside a module's path."""
    text = str(path)
    if text.endswith((".d.ts", ".d.mts", ".d.cts")) and path.is_file():
        return path
    for old in (".mjs", ".cjs", ".js", ""):
        stem = text.removesuffix(old) if old else text
        if old and stem == text:
            continue
        for ending in _ENDINGS:
            if (candidate := Path(stem + ending)).is_file():
                return candidate
    return None


def _title(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        said = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        return f"{said.get('name', folder.name)} {said.get('version', '')}".strip()
    return folder.name
