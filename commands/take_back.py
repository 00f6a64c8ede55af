"""`unsay take-back`: withdraw an item."""

from __future__ import annotations

import argparse
import json

from commands.failure import Failure
from commands.settings import Settings

SUMMARY = "Withdraw an item: its ban ends now, the next rebuild trains without it."
EXAMPLE = "unsay take-back 3f9a0c21b7de"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("item", help="the item's id, or its first characters (`unsay ledger`)")
    parser.add_argument("--json", action="store_true", help="the item as JSON")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from commands.ledger import describe
    from store import ledger
    from store.database import open_database

    db = open_database(settings.home)
    matching = [item for item in ledger.list_items(db) if item.id.startswith(asked.item)]
    if len(matching) != 1:
        count = f"{len(matching)} items begin" if matching else "no item begins"
        raise Failure(f"{count} with '{asked.item}'; `unsay ledger` lists them")
    item = ledger.withdraw(db, matching[0].id)
    db.close()
    if asked.json:
        print(json.dumps(describe(item)))
    else:
        print(f"{item.id[:12]} is withdrawn; `unsay refresh --mode rebuild` undoes it in the model")
    return 0
