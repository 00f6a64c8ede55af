"""The installed packages whose code a suggestion could be a copy of: where they are, their files.

The user's own work is none: not what is installed from a folder, nor what is linked in.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from server.guard.licences import licence_of_distribution, licence_of_module

MOST_FILES = 20_000
"""Of one package."""
MOST_MODULES = 3_000
MOST_FILE_BYTES = 1_000_000
"""Longer files hold data or are made by programs."""
MOST_LINE_BYTES = 200
"""Files whose lines are longer than this on average are minified."""
_PYTHON = (".py",)
_JAVASCRIPT = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
_MADE = (".min.js", ".d.ts", ".d.mts", ".d.cts", ".bundle.js")


@dataclass(frozen=True)
class Package:
    """One installed package."""

    name: str
    version: str
    licence: str
    digest: str
    """Changes when the package does."""
    root: Path
    """The folder of packages that it lies in."""
    files: tuple[str, ...] | None
    """Relative to `root`; None: every JavaScript file below `root / top`."""
    top: str = ""

    def sources(self) -> Iterator[tuple[str, str]]:
        """Path, relative to `root`, and text of each file that is worth reading."""
        found = _below(self.root, self.top) if self.files is None else iter(self.files)
        for number, file in enumerate(found):
            if number == MOST_FILES:
                return
            with suppress(OSError):
                path = self.root / file
                if path.stat().st_size > MOST_FILE_BYTES:
                    continue
                content = path.read_bytes()
                if len(content) <= MOST_LINE_BYTES * (content.count(b"\n") + 10):
                    yield file, content.decode("utf-8", "replace")


def python_packages(sites: Sequence[str]) -> Iterator[Package]:
    """The distributions in the `site-packages` folders, the first of each name."""
    seen: set[str] = set()
    for distribution in distributions(path=list(sites)):
        name = distribution.metadata["Name"] or ""
        key = name.lower().replace("_", "-")
        if not name or key in seen or _is_local(distribution):
            continue
        seen.add(key)
        record = distribution.read_text("RECORD") or ""
        files = [line.rsplit(",", 2)[0].strip('"') for line in record.splitlines()]
        yield Package(
            name=name,
            version=distribution.version,
            licence=licence_of_distribution(distribution.metadata),
            digest=hashlib.sha256(record.encode()).hexdigest(),
            root=Path(str(distribution.locate_file(""))),
            files=tuple(
                sorted(one for one in files if one.endswith(_PYTHON) and not one.startswith("."))
            ),
        )


def javascript_packages(roots: Iterable[Path]) -> Iterator[Package]:
    """What stands in the `node_modules` of each root, the outermost of each name."""
    seen: set[str] = set()
    for root in roots:
        folders = [root / "node_modules"]
        for folder in folders:  # grows while it is walked: outer ones before inner ones
            for package in _modules_in(folder):
                if package.name in seen or len(seen) == MOST_MODULES:
                    continue
                seen.add(package.name)
                folders.append(package.root / package.top / "node_modules")
                yield package


def _is_local(distribution: Distribution) -> bool:
    with suppress(ValueError, AttributeError, OSError):
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        return str(origin.get("url", "")).startswith("file:") and "dir_info" in origin
    return False


def _modules_in(folder: Path) -> Iterator[Package]:
    for path in _folders(folder):
        inner = _folders(path) if path.name.startswith("@") else [path]
        for module in inner:
            with suppress(OSError, ValueError):
                content = (module / "package.json").read_bytes()
                stated = json.loads(content)
                name, version = str(stated["name"]), str(stated.get("version", "0"))
                digest = hashlib.sha256(content).hexdigest()
                licence, top = licence_of_module(stated), module.relative_to(folder).as_posix()
                yield Package(name, version, licence, digest, folder, None, top)


def _folders(folder: Path) -> list[Path]:
    """The real folders in `folder`, in order: a linked one is the user's own work."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
        )
    return []


def _below(root: Path, top: str) -> Iterator[str]:
    for folder, inner, files in os.walk(root / top):
        inner[:] = sorted(name for name in inner if name not in ("node_modules", ".bin"))
        for name in sorted(files):
            if name.endswith(_JAVASCRIPT) and not name.endswith(_MADE):
                yield Path(folder, name).relative_to(root).as_posix()
