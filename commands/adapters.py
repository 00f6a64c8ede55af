"""`unsay adapters`: the generations and their certificates."""

from __future__ import annotations

import argparse
import json

from commands.settings import Settings

SUMMARY = "List the generations; with --verify, check the chain of certificates byte by byte."
EXAMPLE = "unsay adapters\nunsay adapters --verify"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verify", action="store_true", help="exit 1 if a byte has changed")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from store import adapters
    from store.database import open_database

    if asked.verify:
        return _verify(settings)
    db = open_database(settings.home)
    serving = adapters.serving(db).generation
    rows = adapters.list_adapters(db)
    db.close()
    if not asked.json:
        print(f"{'*' if serving == 'base' else ' '} base                the model with no adapter")
    for row in rows:
        if asked.json:
            print(json.dumps({**vars(row), "serving": row.name == serving}))
        else:
            mark = "*" if row.name == serving else " "
            print(f"{mark} {row.name:<18}  {row.state:<9}  {row.method:<12}  {row.created_at[:19]}")
    return 0


def _verify(settings: Settings) -> int:
    from unlearn.certificate import verify_chain

    links = verify_chain(settings.home.adapters)
    print(f"{len(links)} certificates and adapters are as they were written")
    return 0
