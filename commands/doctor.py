"""`unsay doctor`: what works, what does not and what to do, in one screen."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from commands.failure import known_errors
from commands.running import find_server, health
from commands.settings import Settings

SUMMARY = "Say in one screen what works, what does not, and what to do."
EXAMPLE = "unsay doctor"

NEEDED_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Sign:
    """One thing looked at."""

    name: str
    state: Literal["ok", "warning", "broken"]
    said: str


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    """0 when nothing is broken, else 1."""
    broken = False
    for sign in look(settings):
        broken |= sign.state == "broken"
        if asked.json:
            print(json.dumps(asdict(sign)), flush=True)
        else:
            mark = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN "}[sign.state]
            print(f"{mark}  {sign.name:<12} {sign.said}", flush=True)
    return 1 if broken else 0


def look(settings: Settings) -> Iterator[Sign]:
    yield _python()
    yield _attempt("home", lambda: _home(settings))
    yield _attempt("database", lambda: _database(settings))
    yield _attempt("model", lambda: _model(settings))
    yield _attempt("arithmetic", _arithmetic)
    yield _attempt("guard", lambda: _guard(settings))
    yield _attempt("adapters", lambda: _adapters(settings))
    yield _attempt("server", lambda: _server(settings))


def _attempt(name: str, look_at: Callable[[], Sign]) -> Sign:
    """The sign, or the sentence of one of our own errors; others are our mistake and escape."""
    try:
        return look_at()
    except (OSError, sqlite3.Error) as error:
        return Sign(name, "broken", str(error))
    except known_errors() as error:
        return Sign(name, "broken", str(error))


def _python() -> Sign:
    version = ".".join(map(str, sys.version_info[:3]))
    packages = ("torch", "transformers", "peft", "pygls", "aiohttp")
    known = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return Sign("python", "ok", f"{version}; {known}")


def _home(settings: Settings) -> Sign:
    settings.home.ensure()
    root = settings.home.root
    mode = root.stat().st_mode & 0o777
    free = shutil.disk_usage(root).free
    if mode & 0o077:
        return Sign("home", "warning", f"{root} is open to others; do: chmod 700 {root}")
    if free < NEEDED_BYTES:
        return Sign("home", "warning", f"{root} has only {free / 2**30:.1f} GiB free")
    return Sign("home", "ok", f"{root}, {free / 2**30:.0f} GiB free")


def _database(settings: Settings) -> Sign:
    from store import ledger
    from store.database import open_database

    db = open_database(settings.home)
    items = ledger.list_items(db)
    db.check()
    db.close()
    live = sum(item.state in ("banned", "relapsed") for item in items)
    return Sign("database", "ok", f"{len(items)} items in the ledger, {live} to be unlearned")


def _model(settings: Settings) -> Sign:
    import torch

    from commands.parts import engine_config
    from server.engine.load import load_model

    config = engine_config(settings)
    loaded = load_model(config.source, config.device, config.dtype)
    device = "CUDA" if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    if loaded.fim is None:
        return Sign(
            "model",
            "warning",
            f"{loaded.name} has no fill-in-the-middle tokens: it continues text but cannot "
            "complete inside it; choose a base code model such as Qwen2.5-Coder",
        )
    return Sign("model", "ok", f"{loaded.name} on {device}")


def _arithmetic() -> Sign:
    from server.engine.kernels import has_fast_bfloat16
    from server.engine.native.library import library

    if library() is not None:
        many = "; many rows by torch in bfloat16" if has_fast_bfloat16() else ""
        return Sign("arithmetic", "ok", f"our own (AVX2){many}")
    return Sign(
        "arithmetic",
        "warning",
        "torch alone, which is slower; with a C compiler for AVX2 here, do: "
        f"{sys.executable} -m server.engine.native.build",
    )


def _guard(settings: Settings) -> Sign:
    from commands.parts import guard_config
    from server.guard.guard import Guard

    guard = Guard(guard_config(settings))
    try:
        guard.wait(30)
        states, absent = guard.status(), guard.absent
    finally:
        guard.close()
    ill = [
        f"{name}: {said}" for name, said in states.items() if said != "ok" and name not in absent
    ]
    if ill:
        return Sign("guard", "warning", "; ".join(ill))
    working = ", ".join(name for name in states if name not in absent)
    extra = "".join(f"; without {name}: {said}" for name, said in absent.items())
    return Sign("guard", "ok", working + extra)


def _adapters(settings: Settings) -> Sign:
    from store import adapters
    from store.database import open_database
    from unlearn.certificate import verify_chain

    db = open_database(settings.home)
    serving = adapters.serving(db).generation
    count = len(adapters.list_adapters(db))
    db.close()
    verify_chain(settings.home.adapters)
    return Sign("adapters", "ok", f"{count} generations, {serving} serves")


def _server(settings: Settings) -> Sign:
    server = find_server(settings.home)
    if server is None:
        return Sign("server", "warning", "none runs; editors start one, or do: unsay up")
    said = health(server) or {}
    state = "ok" if said.get("status") == "ok" else "warning"
    reason = f": {said['reason']}" if said.get("reason") else ""
    return Sign("server", state, f"{server.url} {said.get('status')}{reason}")
