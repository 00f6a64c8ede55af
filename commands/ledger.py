"""`unsay ledger`: the items to forget."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, cast

from commands.failure import Failure
from commands.settings import Settings
from store.records import ITEM_STATES, KINDS, Item, NewItem

SUMMARY = "List the items to forget, or import items from JSON lines."
EXAMPLE = """\
unsay ledger --state banned
unsay ledger import items.jsonl      (prefix, target, suffix, and if you like start, end, kind,
                                      rule, language, path, replacement)"""

PLACE = ("prefix", "target", "suffix", "start", "end", "language", "path")
FIELDS = frozenset((*PLACE, "kind", "rule", "replacement", "message"))


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=["list", "import"], default="list")
    parser.add_argument("file", nargs="?", help="JSON lines to import; - is standard input")
    parser.add_argument("--state", choices=ITEM_STATES)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--limit", type=int, metavar="N")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from store import ledger
    from store.database import open_database

    db = open_database(settings.home)
    if asked.action == "import":
        new = list(_read(asked.file))  # all are checked before one is added
        items = [ledger.add(db, item) for item in new]
    else:
        states = (asked.state,) if asked.state else None
        items = ledger.list_items(db, states=states, kind=asked.kind, limit=asked.limit)
    db.close()
    for item in items:
        print(json.dumps(describe(item)) if asked.json else line(item))
    if not asked.json:
        what = "imported or already there" if asked.action == "import" else "in the ledger"
        print(f"{len(items)} items {what}", file=sys.stderr)
    return 0


def describe(item: Item) -> dict[str, Any]:
    """The item for a machine, without its texts."""
    hidden = ("prefix", "suffix", "target", "replacement", "fingerprint", "context")
    shown = {name: value for name, value in vars(item).items() if name not in hidden}
    return {**shown, "preview": preview(item)}


def preview(item: Item, width: int = 40) -> str:
    """The blamed text on one line; of a secret only its first four characters."""
    if item.blamed is None:
        return "(text destroyed)"
    text = " ".join(item.blamed.split())
    if item.kind == "secret":
        return text[:4] + "…" * min(8, len(text) - 4)
    return text if len(text) <= width else text[: width - 1] + "…"


def line(item: Item) -> str:
    """The item for a person, on one line."""
    return f"{item.id[:12]}  {item.state:<9}  {item.kind:<10}  {item.rule:<28}  {preview(item)}"


def _read(file: str | None) -> Iterator[NewItem]:
    if file is None:
        raise Failure("name the file to import, or - for standard input", 2)
    try:
        with sys.stdin if file == "-" else open(file, encoding="utf-8") as rows:
            for number, row in enumerate(rows, 1):
                if row.strip():
                    yield _item(row, number)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {error}") from error


def _item(row: str, number: int) -> NewItem:
    try:
        fields = json.loads(row)
    except json.JSONDecodeError as error:
        raise Failure(f"line {number} is not JSON: {error.msg}", 2) from error
    if not isinstance(fields, dict) or not isinstance(fields.get("target"), str):  # pyright: ignore[reportUnknownMemberType]
        raise Failure(f"line {number} is not an object with a text 'target'", 2)
    given = cast(dict[str, Any], fields)
    if unknown := sorted(given.keys() - FIELDS):
        raise Failure(f"line {number} has the unknown field '{unknown[0]}'", 2)
    target = given["target"]
    start, end = given.get("start", 0), given.get("end", len(target))
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(target)):
        raise Failure(f"line {number}: start and end are not a part of the target", 2)
    if given.get("kind", "user") not in KINDS:
        raise Failure(f"line {number}: kind must be one of {', '.join(KINDS)}", 2)
    return NewItem(
        prefix=given.get("prefix", ""),
        suffix=given.get("suffix", ""),
        target=target,
        start=start,
        end=end,
        kind=given.get("kind", "user"),
        rule=given.get("rule", "imported"),
        language=given.get("language", "python"),
        origin="import",
        path=given.get("path"),
        replacement=given.get("replacement"),
        message=given.get("message"),
    )
