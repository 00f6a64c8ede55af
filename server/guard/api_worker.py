"""The child process that indexes a workspace's interpreter: prints one JSON object a line.

First `{"python", "packages"}`, then `{"package", "version", "apis", "returns", "bases"}` for each
package, last `{"done": true}`; or `{"error"}`. What was indexed before comes first, then the
standard library, then the modules named on standard input (one a line, at any time), then the rest.
It runs at the lowest priority.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any

from server.guard.api_environment import Environment, Installed, read_environment
from server.guard.api_exports import Export, public_names, read_exports
from server.guard.api_lineage import MOST_FILES, Lineage
from server.guard.api_scan import SCAN_VERSION, Api, scan_source, source_files, unknown
from server.guard.api_stubs import is_due, stub_files, stub_version, truth

Say = dict[str, Any]
_KEYS = {"package", "version", "apis", "returns", "bases"}


def main(python: str, cache: str) -> None:
    """Index `python` ('' for this one) and keep its packages' parts in `cache` ('' for nowhere)."""
    if hasattr(os, "nice"):
        os.nice(15)
    wanted: list[str] = []
    Thread(target=_listen, args=(wanted,), daemon=True).start()
    folder = Path(cache) if cache else None
    for line in index_environment(python or sys.executable, folder, lambda: wanted):
        print(json.dumps(line), flush=True)


def index_environment(
    python: str, cache: Path | None, wanted: Callable[[], list[str]] = list
) -> Iterator[Say]:
    """What `main` prints, as dictionaries."""
    try:
        environment = read_environment(python)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        yield {"error": f"{python} cannot be asked for its packages ({type(error).__name__})"}
        return
    versions = {one.name: one.version for one in environment.installed[1:]}
    yield {"python": environment.version, "packages": versions}
    waiting: list[Installed] = []
    for one in environment.installed:
        kept = _kept(one, cache) if one.roots else _said(one, [], {}, {})
        if kept is None:
            waiting.append(one)
        else:
            yield kept
    while waiting:
        one = _next(waiting, wanted())
        waiting.remove(one)
        said = _scan(one, environment)
        _keep(one, said, cache)
        yield said
    yield {"done": True}


def _listen(wanted: list[str]) -> None:
    for line in sys.stdin:
        wanted.insert(0, line.strip())


def _next(waiting: list[Installed], wanted: list[str]) -> Installed:
    if waiting[0].name != "python":
        for module in wanted:
            for one in waiting:
                if any(name == module for _, name in one.roots):
                    return one
    return waiting[0]


def _scan(one: Installed, environment: Environment) -> Say:
    apis: list[Api] = []
    exports: list[Export] = []
    files = [pair for root, package in one.roots for pair in source_files(root, package)]
    if one.name == "python":
        files += stub_files(environment.version)
    holds = truth(environment.version)
    for path, module in files:
        with contextlib.suppress(OSError):
            source = path.read_bytes()
            is_stub = path.suffix == ".pyi"
            found = scan_source(source, module, holds if is_stub else unknown)
            is_ours = is_stub and one.name == "python"
            apis += [api for api in found if not is_ours or is_due(api.text, environment.version)]
    if not apis:
        return _said(one, [], {}, {})
    lineage = Lineage(apis)
    may_inherit = bool(lineage) and len(files) <= MOST_FILES
    for path, module in files:
        is_package = path.stem == "__init__"
        if not (may_inherit or is_package):
            continue
        with contextlib.suppress(OSError):
            source = path.read_bytes()
            if is_package:
                exports += read_exports(source.decode("utf-8", "replace"), module)
            if may_inherit:
                lineage.read(source, module, path)
    heirs = lineage.heirs()
    named = {*(api.name for api in apis), *lineage.returns, *heirs, *heirs.values()}
    public = public_names(named | set(lineage.returns.values()), exports)
    entered = [asdict(api) | {"public": sorted(public[api.name])} for api in apis]
    return _said(
        one,
        [api for api in entered if api["public"]],
        _under_public_names(lineage.returns, public),
        _under_public_names(heirs, public),
    )


def _under_public_names(pairs: dict[str, str], public: dict[str, set[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, other in pairs.items():
        shortest = min(sorted(public[other]), key=len, default=None)
        if shortest is not None:
            found |= dict.fromkeys(sorted(public[name]), shortest)
    return found


def _said(one: Installed, apis: list[Say], returns: dict[str, str], bases: dict[str, str]) -> Say:
    said: Say = {"package": one.name, "version": one.version, "apis": apis}
    return said | {"returns": returns, "bases": bases}


def _file(one: Installed, cache: Path) -> Path:
    stubs = stub_version() if one.name == "python" else ""
    key = f"{SCAN_VERSION} {one.name} {one.version} {one.digest} {stubs}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return cache / f"{one.name}-{one.version}-{digest}.json"


def _kept(one: Installed, cache: Path | None) -> Say | None:
    if cache is not None:
        with contextlib.suppress(OSError, ValueError):
            kept: Say = json.loads(_file(one, cache).read_text(encoding="utf-8"))
            if set(kept) >= _KEYS:
                return kept
    return None


def _keep(one: Installed, said: Say, cache: Path | None) -> None:
    if cache is None:
        return
    with contextlib.suppress(OSError):  # a full or read-only disk costs time, not the index
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = _file(one, cache)
        partial = file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(said), encoding="utf-8")
        partial.replace(file)
