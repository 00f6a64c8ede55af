"""The child process that indexes a workspace's interpreter: prints one JSON object a line.

First `{"python", "packages"}`, then `{"package", "version", "apis"}` for each package that has
deprecated names, last `{"done": true}`; or `{"error"}`. It runs at the lowest priority.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from server.guard.api_exports import Export, public_names, read_exports
from server.guard.api_scan import SCAN_VERSION, Api, scan_file, source_files

ASK = (
    "import json, sys, sysconfig; print(json.dumps({'version': '%d.%d.%d' % sys.version_info[:3],"
    " 'stdlib': sysconfig.get_path('stdlib'), 'sites': [p for p in sys.path"
    " if p.endswith(('site-packages', 'dist-packages'))]}))"
)
ASK_SECONDS = 20
Say = dict[str, Any]


def main(python: str, cache: str) -> None:
    """Index `python` ('' for this one) and keep its packages' parts in `cache` ('' for nowhere)."""
    if hasattr(os, "nice"):
        os.nice(15)
    for line in index_environment(python or sys.executable, Path(cache) if cache else None):
        print(json.dumps(line), flush=True)


def index_environment(python: str, cache: Path | None) -> Iterator[Say]:
    """What `main` prints, as dictionaries."""
    try:
        answer = subprocess.run(
            [python, "-I", "-c", ASK],
            capture_output=True, timeout=ASK_SECONDS, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        environment = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        yield {"error": f"{python} cannot be asked for its packages ({type(error).__name__})"}
        return
    installed = list(_installed(environment["sites"]))
    versions = {name: version for name, version, *_ in installed}
    yield {"python": environment["version"], "packages": versions}
    stdlib = Path(environment["stdlib"])
    roots = [(path, path.stem) for path in sorted(stdlib.iterdir()) if _is_module(path)]
    yield _package("python", environment["version"], str(stdlib), roots, cache)
    for name, version, digest, roots in installed:
        yield _package(name, version, digest, roots, cache)
    yield {"done": True}


def _is_module(path: Path) -> bool:
    if path.name.startswith((".", "_")) or path.name in ("test", "idlelib", "lib2to3"):
        return False
    return path.suffix == ".py" or (path / "__init__.py").is_file()


def _installed(sites: list[str]) -> Iterator[tuple[str, str, str, list[tuple[Path, str]]]]:
    """Name, version, digest of the file list, and top-level modules of each distribution."""
    seen: set[str] = set()
    for distribution in distributions(path=sites):
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
        if not name or name in seen:
            continue
        seen.add(name)
        record = distribution.read_text("RECORD") or ""
        digest = hashlib.sha256(record.encode()).hexdigest()
        yield name, distribution.version, digest, _roots(distribution, record)


def _roots(distribution: Distribution, record: str) -> list[tuple[Path, str]]:
    tops = {line.split(",", 1)[0].split("/", 1)[0] for line in record.splitlines()}
    roots: list[tuple[Path, str]] = []
    for top in sorted(tops):
        path = Path(str(distribution.locate_file(top)))
        name = path.name.removesuffix(".py")
        if name.isidentifier() and not name.startswith("_") and _is_module(path):
            roots.append((path, name))
    return roots


def _package(
    name: str, version: str, digest: str, roots: list[tuple[Path, str]], cache: Path | None
) -> Say:
    key = hashlib.sha256(f"{SCAN_VERSION} {name} {version} {digest}".encode()).hexdigest()[:12]
    file = cache / f"{name}-{version}-{key}.json" if cache else None
    if file is not None:
        with contextlib.suppress(OSError, ValueError):
            kept: Say = json.loads(file.read_text(encoding="utf-8"))
            if {"package", "version", "apis"} <= set(kept):
                return kept
    said: Say = {"package": name, "version": version, "apis": _scan(roots)}
    if file is not None:
        with contextlib.suppress(OSError):  # a full or read-only disk costs time, not the index
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = file.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(said), encoding="utf-8")
            partial.replace(file)
    return said


def _scan(roots: list[tuple[Path, str]]) -> list[Say]:
    apis: list[Api] = []
    exports: list[Export] = []
    for root, package in roots:
        for path, module in source_files(root, package):
            with contextlib.suppress(OSError):
                apis += scan_file(path, module)
        if not apis:
            continue
        for path, module in source_files(root, package):
            if path.name == "__init__.py":
                with contextlib.suppress(OSError):
                    exports += read_exports(path, module)
    public = public_names((api.name for api in apis), exports)
    return [asdict(api) | {"public": sorted(public[api.name])} for api in apis if public[api.name]]
