"""`unsay promote`: serve a generation, atomically."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from commands.running import find_server
from commands.settings import Settings

if TYPE_CHECKING:
    from store.database import Database
    from store.records import Serving

SUMMARY = "Serve a generation, if the one that serves now is still the expected one."
EXAMPLE = "unsay promote g000003-1f2e3d4c\nunsay promote base"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("generation", help="its name, or base (`unsay adapters` lists them)")
    parser.add_argument("--expected", help="refuse unless this one serves now (default: any)")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from store import adapters
    from store.database import open_database

    db = open_database(settings.home)
    expected = asked.expected or adapters.serving(db).generation
    db.close()
    body = {"generation": asked.generation, "expected": expected}
    answer = change(
        settings,
        "/v1/adapters/promote",
        body,
        lambda db: adapters.promote(db, asked.generation, expected=expected),
    )
    return say(asked.json, answer)


def change(
    settings: Settings,
    route: str,
    body: dict[str, Any],
    directly: Callable[[Database], Serving],
) -> dict[str, Any]:
    """Through the server where one runs, which loads first and then moves the pointer; else the
    pointer alone."""
    from store.database import open_database

    server = find_server(settings.home)
    if server is not None:
        return server.call("POST", route, body)
    db = open_database(settings.home)
    serving = directly(db)
    db.close()
    return {"generation": serving.generation, "previous": serving.previous}


def say(as_json: bool, answer: dict[str, Any]) -> int:
    if as_json:
        print(json.dumps(answer))
    else:
        pause = f", pause {answer['pause_ms']:.1f} ms" if "pause_ms" in answer else ""
        print(f"{answer['generation']} serves now, after {answer['previous']}{pause}")
    return 0
