"""`unsay allow`: lets a rule of the guard pass for good."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from commands.failure import Failure
from commands.settings import Settings

SUMMARY = """\
Let a rule of the guard pass: anywhere, or with --in only in a folder. Without a rule, list what
is allowed. A running server follows at once. To allow a rule on one line, write the comment
`# unsay: allow[RULE]` on it or above it."""
EXAMPLE = """\
unsay allow S324
unsay allow personal-email --in ~/work/newsletter
unsay allow --remove S324"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", nargs="?", help="a rule, as findings name it")
    parser.add_argument("--in", dest="folder", type=Path, help="only under this folder")
    parser.add_argument("--remove", action="store_true", help="do not allow it any longer")
    parser.add_argument("--json", action="store_true", help="list as JSON")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from server.guard.allow_list import AllowList, pattern_of
    from server.guard.errors import BadAllowList

    settings.home.ensure()
    allowed = AllowList(settings.home.allow)
    folder = None if asked.folder is None else str(asked.folder.expanduser().absolute())
    try:
        if asked.rule is None:
            if allowed.status() != "ok":
                raise Failure(allowed.status())
            _list(allowed.table, as_json=asked.json)
        elif asked.remove:
            allowed.remove(asked.rule, pattern_of(folder))
            print(f"{asked.rule} is reported again {_where(folder)}")
        else:
            allowed.add(asked.rule, pattern_of(folder))
            print(f"{asked.rule} is allowed {_where(folder)}")
    except BadAllowList as error:
        raise Failure(str(error)) from error
    return 0


def _list(table: Mapping[str, frozenset[str]], *, as_json: bool) -> None:
    rows = {pattern: sorted(rules) for pattern, rules in table.items()}
    if as_json:
        print(json.dumps(rows))
        return
    for pattern, rules in rows.items():
        print(f"{pattern}: {', '.join(rules)}")


def _where(folder: str | None) -> str:
    return "anywhere" if folder is None else f"in {folder}"
