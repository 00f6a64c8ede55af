"""`unsay forget`: text of a file into the ledger."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from commands.failure import Failure
from commands.settings import Settings

SUMMARY = "Put text of a file into the ledger: banned from the next request on, unlearned at night."
EXAMPLE = """\
unsay forget settings.py --lines 12-12
unsay forget client.py --text-from-stdin < secret.txt"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file in which the text stands")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--lines", metavar="A-B", help="these lines, counted from 1")
    chosen.add_argument(
        "--text-from-stdin",
        action="store_true",
        help="the text on standard input, where it first stands (never in the process list)",
    )
    parser.add_argument("--replacement", help="what should be said instead")
    parser.add_argument("--language", default="python")
    parser.add_argument("--json", action="store_true", help="the item as JSON")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from commands.ledger import describe
    from store import ledger
    from store.database import open_database
    from store.records import NewItem

    content = read_text(asked.file)
    start, end = _lines(asked.lines, content) if asked.lines else _stdin_text(content, asked.file)
    db = open_database(settings.home)
    item = ledger.add(
        db,
        NewItem(
            prefix=content[:start],
            suffix=content[end:],
            target=content[start:end],
            start=0,
            end=end - start,
            kind="user",
            rule="unsay-this",
            language=asked.language,
            origin="person",
            path=str(asked.file),
            replacement=asked.replacement,
        ),
    )
    db.close()
    if asked.json:
        print(json.dumps(describe(item)))
    else:
        print(f"{item.id[:12]} is banned from the next request on; the next refresh unlearns it")
    return 0


def read_text(path: Path) -> str:
    """The file as text. Raises Failure with the reason and what to do."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text; Unsay completes and checks text only") from error
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error


def _lines(wanted: str, content: str) -> tuple[int, int]:
    first, _, last = wanted.partition("-")
    lines = content.splitlines(keepends=True)
    try:
        a, b = int(first), int(last or first)
    except ValueError as error:
        raise Failure(f"--lines is '{wanted}'; write it as 12-14", 2) from error
    if not 1 <= a <= b <= len(lines):
        raise Failure(f"--lines is '{wanted}', the file has lines 1 to {len(lines)}", 2)
    start = sum(map(len, lines[: a - 1]))
    body = "".join(lines[a - 1 : b])
    inner = body.strip()
    if not inner:
        raise Failure("these lines are blank: there is nothing to forget in them", 2)
    offset = start + body.index(inner)
    return offset, offset + len(inner)


def _stdin_text(content: str, path: Path) -> tuple[int, int]:
    text = sys.stdin.read().strip("\r\n")
    start = content.find(text) if text.strip() else -1
    if start < 0:
        raise Failure(f"the text on standard input does not stand in {path}", 2)
    return start, start + len(text)
