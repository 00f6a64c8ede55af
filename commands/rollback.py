"""`unsay rollback`: serve the generation before the present one."""

from __future__ import annotations

import argparse

from commands.promote import change, say
from commands.settings import Settings

SUMMARY = "Serve the generation before the present one."
EXAMPLE = "unsay rollback"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the answer as JSON")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from store import adapters

    return say(
        asked.json,
        change(settings, "/v1/adapters/rollback", {}, lambda db: adapters.rollback(db)),
    )
