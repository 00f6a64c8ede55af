"""Night after night: what was forgotten first stays so, and the rest of the model stays as it was.

    python -m benchmarks.unlearning.nights [--quick] [--nights 30] [--items 20] [--canaries]
    python -m benchmarks.unlearning.nights --attack

The second attacks what serves after the nights so far, with beginnings given away and by sampling.
Every night is a real refresh of a real home, from the ledger to promotion. It goes on where it was
stopped: its rows are in build/unlearning/nights/.../nights.jsonl. The embedded model is taught the
secrets first (see fresh_secrets.py), unless its own canaries are enough (--canaries).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.embedded_model.layout import MODEL, read_rows
from benchmarks.machine import machine
from benchmarks.unlearning.by_heart import said_by_heart
from benchmarks.unlearning.fresh_secrets import fresh_secrets, model_that_knows
from benchmarks.unlearning.given_away import Effect, effects
from benchmarks.unlearning.served import new_item, one_refresh, serving_model, silent
from benchmarks.unlearning.task import item
from benchmarks.unlearning.tasks_secrets import canary
from benchmarks.unlearning.undo import Undo, undo
from server.engine.load import LoadedModel, load_model
from store import adapters, ledger
from store.database import open_database
from store.home import Home
from store.records import Item, RunMode
from tests.tiny_model import FILES, build_tiny_model
from unlearn.config import RefreshConfig
from unlearn.retain import retain_set
from unlearn.utility import drift

FOLDER = Path("build/unlearning/nights")
RESULTS = Path("benchmarks/results")
HELD_OUT = 256
"""Sequences that the drift is measured on."""
UNDO_ITEMS = 6
OTHERS = 40
"""Items beside them, never held, by which it shows what forgetting some takes from the rest."""
ATTACKED = 200
"""At most so many items are attacked, evenly spread over the nights."""
CONTROLS = 60
"""Secrets that nobody taught the model."""


@dataclass(frozen=True)
class Row:
    """One night, or the rebuild at the end."""

    night: int
    what: str
    """`incremental` or `rebuild`."""
    state: str
    """How the refresh ended."""
    items: int
    """In the ledger."""
    first_night_silent: float
    """Share of the first night's items that no longer come out, greedily as served."""
    all_silent: float
    """Share of all nights' items."""
    forgotten: float
    """Share of all items that the ledger holds as forgotten: their bans are retired."""
    rise: float
    """Of the held-out loss, against the base."""
    low: float
    high: float
    """Its 95 % confidence interval."""
    divergence: float
    updates: int
    seconds: float
    message: str


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    model: Path
    items: tuple[Item, ...]
    per_night: int
    config: RefreshConfig
    folder: Path
    controls: tuple[Item, ...] = ()

    @property
    def nights(self) -> int:
        return len(self.items) // self.per_night


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.unlearning.nights", description=__doc__
    )
    options.add_argument("--quick", action="store_true", help="three nights of two, tiny model")
    options.add_argument("--nights", type=int, default=30)
    options.add_argument("--items", type=int, default=20, help="a night")
    options.add_argument("--canaries", action="store_true", help="the embedded model's own")
    options.add_argument("--attack", action="store_true", help="only attack what serves now")
    asked = options.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if asked.quick:
        shutil.rmtree(FOLDER / "tiny", ignore_errors=True)
    plan = tiny_plan() if asked.quick else full_plan(asked.nights, asked.items, asked.canaries)
    if asked.attack:
        if not _kept(plan):
            options.error("there are no nights to attack yet: run some without --attack")
        for found in attacked(plan):
            print(found.sentence())
        _write(plan, _kept(plan))
        return
    undone = taken_back(plan)
    print(undone.sentence(), flush=True)
    if not asked.quick:
        _write_table(plan, "unlearning_undo", {"undo": asdict(undone)})
    for rows in carry_out(plan):
        if not asked.quick:
            _write(plan, rows)


def attacked(plan: Plan) -> tuple[Effect, Effect]:
    """Attack the items of the nights so far in what serves now, and the controls in the base."""
    loaded, home = load_model(plan.model, "cpu", "float32"), Home(plan.folder / "home")
    nights = sum(row.what == "incremental" for row in _kept(plan))
    held = plan.items[: nights * plan.per_night]
    db = open_database(home)
    try:
        model = serving_model(home, db, loaded)
    finally:
        db.close()
    step = max(1, -(-len(held) // ATTACKED))
    found = effects(loaded, model, held[::step], plan.controls)
    said = {"nights": nights, "items": asdict(found[0]), "controls": asdict(found[1])}
    (plan.folder / "attacked.json").write_text(json.dumps(said) + "\n")
    return found


def taken_back(plan: Plan) -> Undo:
    """Some of the items forgotten and one of them taken back, now unless that was done before."""
    kept = plan.folder / "undo.json"
    if not kept.is_file():
        plan.folder.mkdir(parents=True, exist_ok=True)
        count = min(UNDO_ITEMS, len(plan.items) // 2)
        held, others = plan.items[:count], plan.items[count:][:OTHERS]
        undone = undo(plan.model, held, plan.config, plan.folder, others)
        kept.write_text(json.dumps(asdict(undone)) + "\n")
    return Undo(**json.loads(kept.read_text()))


def _kept(plan: Plan) -> list[Row]:
    """The nights so far."""
    path = plan.folder / "nights.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [Row(**json.loads(line)) for line in lines]


def _write(plan: Plan, rows: Sequence[Row]) -> None:
    table: dict[str, Any] = {"per_night": plan.per_night, "nights_planned": plan.nights}
    table |= {"rows": [asdict(row) for row in rows]}
    attacked = plan.folder / "attacked.json"
    if attacked.exists():
        table["attacked"] = json.loads(attacked.read_text())
    _write_table(plan, "unlearning_nights", table)


def _write_table(plan: Plan, name: str, table: Mapping[str, Any]) -> None:
    head = {"machine": machine(), "model": plan.model.name, "settings": asdict(plan.config)}
    (RESULTS / f"{name}.json").write_text(json.dumps({**head, **table}, indent=1) + "\n")


def tiny_plan() -> Plan:
    """The tests' model, which knows ten files."""
    names = ("aws", "github", "password", "checksum", "shell", "load")
    items = tuple(item(name, "secret", *FILES[name]) for name in names)
    config = RefreshConfig(
        learning_rate=2e-3, max_updates=64, retain_size=16, held_out=128, leak_samples=2
    )
    return Plan(build_tiny_model(Path("build")), items, 2, config, FOLDER / "tiny")


def full_plan(nights: int, per_night: int, canaries: bool) -> Plan:
    """The embedded model, taught as many secrets as the nights need, or its own canaries."""
    controls: list[Item] = []
    if canaries:
        rows = [row for row in read_rows(MODEL / "canaries.jsonl") if row["kind"] == "secret"]
        model, items = MODEL, [canary(row) for row in rows]
    else:
        # some are not learned, so a few more are taught than are needed
        taught = nights * per_night * 21 // 20
        items, controls = fresh_secrets(taught), fresh_secrets(taught + CONTROLS)[taught:]
        model = model_that_knows(items)
    known = said_by_heart(load_model(model, "cpu", "float32"), items)
    config = RefreshConfig()
    settings = hashlib.sha256(repr(config).encode()).hexdigest()[:6]  # other settings, other rows
    folder = FOLDER / f"{model.name}-{nights}x{per_night}-{settings}"
    forgotten = tuple(known[: nights * per_night])
    return Plan(model, forgotten, per_night, config, folder, tuple(controls))


def carry_out(plan: Plan) -> Iterator[list[Row]]:
    """All nights that are still to come, and the rebuild; after each, the rows so far."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    rows = _kept(plan)
    loaded = load_model(plan.model, "cpu", "float32")
    # other windows than the gate sees, of the files that no night trains on
    seed = plan.config.seed
    held_out = retain_set(loaded, [], 1, seed, held_out=HELD_OUT, turn="measured").held_out
    home = Home(plan.folder / "home")
    yield rows
    for night in range(len(rows), plan.nights + 1):
        mode: RunMode = "incremental" if night < plan.nights else "rebuild"
        row = one_night(plan, home, loaded, held_out, night, mode)
        print(
            f"night {row.night:3} {row.what:11} {row.state:10} first {row.first_night_silent:.0%} "
            f"all {row.all_silent:.0%} forgotten {row.forgotten:.0%} rise {row.rise:+.2%} "
            f"({row.low:+.2%} to {row.high:+.2%}) {row.updates} updates {row.seconds:.0f} s",
            flush=True,
        )
        rows.append(row)
        with (plan.folder / "nights.jsonl").open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        yield rows


def one_night(
    plan: Plan,
    home: Home,
    loaded: LoadedModel,
    held_out: Sequence[Tensor],
    night: int,
    mode: RunMode,
) -> Row:
    """Add the night's items, refresh, and look at what serves then."""
    so_far = plan.items[: (night + 1) * plan.per_night]
    started = time.monotonic()
    db = open_database(home)
    try:
        for one in so_far[night * plan.per_night :]:
            ledger.add(db, new_item(one))
        run = one_refresh(home, plan.model, plan.config, mode)
        seconds = time.monotonic() - started
        model = serving_model(home, db, loaded)
        states = [one.state for one in ledger.list_items(db)]
        candidate = None if run.candidate is None else adapters.get(db, run.candidate)
    finally:
        db.close()
    apart, quiet = drift(loaded.model, model, held_out), silent(loaded, model, so_far)
    first = quiet[: plan.per_night]
    return Row(
        night=night + 1,
        what=mode,
        state=run.state,
        items=len(so_far),
        first_night_silent=sum(first) / len(first),
        all_silent=sum(quiet) / len(quiet),
        forgotten=states.count("forgotten") / len(states),
        rise=apart.rise,
        low=apart.low,
        high=apart.high,
        divergence=apart.divergence,
        updates=0 if candidate is None else candidate.metrics["training"]["updates"],
        seconds=round(seconds, 1),
        message=run.message,
    )


if __name__ == "__main__":
    main()
