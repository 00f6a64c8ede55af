"""What is installed in the workspace's environment: versions, sources, and what names them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

ASK = (
    "import json, sys, sysconfig; print(json.dumps({'version': '%d.%d.%d' % sys.version_info[:3],"
    " 'stdlib': sysconfig.get_path('stdlib'), 'sites': [p for p in sys.path"
    " if p.endswith(('site-packages', 'dist-packages'))]}))"
)
ASK_SECONDS = 20
_SKIPPED_MODULES = {"test", "idlelib", "lib2to3", "this", "antigravity"}
_NEVER_IMPORTED = {"pip", "wheel", "typeshed-client"}


@dataclass(frozen=True)
class Installed:
    """One distribution, or the standard library under the name `python`."""

    name: str
    version: str
    digest: str
    """Of the list of its files."""
    roots: tuple[tuple[Path, str], ...]
    """Its top-level modules: where they lie, and how they are imported."""


@dataclass(frozen=True)
class Environment:
    """An interpreter and what it can import."""

    version: str
    installed: tuple[Installed, ...]
    """The standard library first."""


def read_environment(python: str) -> Environment:
    """Ask the interpreter `python`; raises OSError, SubprocessError or ValueError."""
    answer = subprocess.run(
        [python, "-I", "-c", ASK],
        capture_output=True, timeout=ASK_SECONDS, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = json.loads(answer.stdout)
    stdlib = Path(said["stdlib"])
    modules = tuple((path, path.stem) for path in sorted(stdlib.iterdir()) if _is_module(path))
    own = Installed("python", said["version"], str(stdlib), modules)
    return Environment(said["version"], (own, *_installed(said["sites"])))


def _installed(sites: list[str]) -> Iterator[Installed]:
    seen: set[str] = set()
    for distribution in distributions(path=sites):
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
        if not name or name in seen:
            continue
        seen.add(name)
        record = distribution.read_text("RECORD") or ""
        digest = hashlib.sha256(record.encode()).hexdigest()
        roots = () if name in _NEVER_IMPORTED else tuple(_roots(distribution, record))
        yield Installed(name, distribution.version, digest, roots)


def _roots(distribution: Distribution, record: str) -> Iterator[tuple[Path, str]]:
    tops = {line.split(",", 1)[0].split("/", 1)[0] for line in record.splitlines()}
    for top in sorted(tops):
        path = Path(str(distribution.locate_file(top)))
        name = path.name.removesuffix(".py").removesuffix("-stubs")
        if name.isidentifier() and not name.startswith("_") and _is_module(path):
            yield path, name


def _is_module(path: Path) -> bool:
    if path.name.startswith((".", "_")) or path.name in _SKIPPED_MODULES:
        return False
    return path.suffix == ".py" or any(
        (path / f"__init__{end}").is_file() for end in (".py", ".pyi")
    )
