"""`unsay demo`: the main job, once, on this machine: complete, flag, ban, unlearn, gate, swap."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from commands.settings import Settings

SUMMARY = """\
Show the whole loop on this machine, in a home of its own and without network: the embedded model
completes real files through the real language server, the guard takes back what should not be
said, the ledger bans it, a refresh unlearns it, the gate judges, the server swaps."""
EXAMPLE = "unsay demo\nunsay demo --json > demo.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON document")
    parser.add_argument(
        "--scenes",
        type=Path,
        help="cursors of your own, for a model of your own: JSON lines of path, kind, by (guard or "
        "person), prefix, suffix",
    )
    parser.add_argument("--home", type=Path, help="keep the demo's home here (default: removed)")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    """0 when every item is banned and forgotten, nothing failed and the utility held."""
    from commands.demo.acts import perform
    from commands.demo.report import Report
    from commands.demo.scenes import FILE, load_scenes

    scenes = load_scenes(asked.scenes or FILE)
    report = Report(sys.stderr if asked.json else sys.stdout)
    if asked.home:
        outcome = perform(asked.home.absolute(), settings.environment, scenes, report)
    else:
        with tempfile.TemporaryDirectory(prefix="unsay-demo-") as folder:
            outcome = perform(Path(folder), settings.environment, scenes, report)
    if asked.json:
        print(json.dumps(outcome.document(), indent=2))
    return 0 if outcome.holds else 1
