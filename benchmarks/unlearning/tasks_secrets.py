"""The task of secrets: canaries that the embedded model says by heart, against fresh ones."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.embedded_model.canaries import KINDS, NAMES
from benchmarks.embedded_model.layout import read_rows
from benchmarks.unlearning.by_heart import Sizes, dealt, said_by_heart
from benchmarks.unlearning.task import Task, item
from benchmarks.unlearning.variants import variants
from server.engine.load import LoadedModel
from store.records import Item

SEED = 41
# Services that no canary has.
NEW_SERVICES = (
    "sextant trellis spindle tannery brazier gantry cooper wharf sluice belfry turnpike "
    "larder saddler chandler drover ropewalk smithy tithe windlass yeoman"
)


def secrets(loaded: LoadedModel, sizes: Sizes | None = None) -> Task:
    """`loaded` is the embedded model, or one with a canaries.jsonl like its own in its folder."""
    sizes = sizes or Sizes()
    rows = [row for row in read_rows(loaded.folder / "canaries.jsonl") if row["kind"] == "secret"]
    forget, tuning, neighbours = dealt(said_by_heart(loaded, [canary(r) for r in rows]), sizes)
    return Task(
        name="secrets",
        forget=forget,
        tuning=tuning,
        neighbours=neighbours,
        controls=tuple(fresh_canaries(rows)[: sizes.controls]),
        variants={one.id: variants(one) for one in (*forget, *tuning)},
    )


def canary(row: dict[str, Any]) -> Item:
    """A row of canaries.jsonl as a ledger item."""
    return item(
        row["id"], row["kind"], row["prefix"], row["target"], row["suffix"], rule=row["rule"]
    )


def fresh_canaries(rows: list[dict[str, Any]]) -> list[Item]:
    """Secrets of the same kinds in the same sorts of files that no model ever saw."""
    chance = random.Random(SEED)
    makers = {rule: make for rule, _, _, make in KINDS}
    found: list[Item] = []
    for i, (row, new) in enumerate(zip(rows, NEW_SERVICES.split(), strict=False)):
        old = next(name for name in NAMES["services"] if name in row["path"])
        prefix, suffix = (_renamed(row[part], old, new) for part in ("prefix", "suffix"))
        secret = makers[row["rule"]](chance)
        found.append(item(f"control-{i:02d}", "secret", prefix, secret, suffix, rule=row["rule"]))
    return found


def _renamed(text: str, old: str, new: str) -> str:
    for case in (str.lower, str.upper, str.capitalize):
        text = text.replace(case(old), case(new))
    return text
