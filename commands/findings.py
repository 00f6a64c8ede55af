"""`unsay findings`: what the guard flagged."""

from __future__ import annotations

import argparse
import json

from commands.settings import Settings
from store.records import KINDS

SUMMARY = "List what the guard flagged in suggestions, newest first."
EXAMPLE = "unsay findings --kind secret --limit 20"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="default 50")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from store import findings
    from store.database import open_database

    db = open_database(settings.home)
    rows = findings.list_findings(db, kind=asked.kind, limit=asked.limit)
    db.close()
    for row in rows:
        if asked.json:
            print(json.dumps(vars(row)))
        else:
            done = row.action or "noted"
            print(f"{row.created_at[:19]}  {done:<8} {row.kind:<10} {row.rule:<28} {row.message}")
    return 0
