"""Which items a refresh works on, and how."""

from __future__ import annotations

import random
from dataclasses import dataclass

from store import adapters, ledger
from store.database import Database
from store.records import BASE, Item, RunMode
from unlearn.config import RefreshConfig


@dataclass(frozen=True)
class Selection:
    """The work of one refresh."""

    mode: RunMode
    parent: str
    """The generation it starts from."""
    serving: str
    """The one that serves now, and must still do so at promotion."""
    new: tuple[Item, ...]
    """Not yet forgotten, or relapsed."""
    old: tuple[Item, ...]
    """Forgotten before, trained along so that they stay so."""
    withdrawn: tuple[str, ...]
    """Ids that a rebuild leaves out."""
    why: str
    """One sentence for a person."""

    @property
    def items(self) -> tuple[Item, ...]:
        return (*self.new, *self.old)


def select(db: Database, config: RefreshConfig) -> Selection:
    """Read the ledger; changes nothing.

    An item that was taken back is undone exactly, so a refresh then rebuilds from the base, even
    where it was asked for an incremental one.
    """
    serving = adapters.serving(db).generation
    new = _trainable(ledger.list_items(db, states=("banned", "relapsed")))
    forgotten = _trainable(ledger.list_items(db, states=("forgotten",)))
    withdrawn = tuple(item.id for item in ledger.list_items(db, states=("withdrawn",)))
    mode: RunMode = "rebuild" if withdrawn and serving != BASE else config.mode
    if mode == "rebuild":
        old, parent = forgotten, BASE
    else:
        old, parent = _rehearsed(forgotten, config), serving
    why = f"{len(new)} to forget, {len(old)} to keep forgotten, starting from {parent}"
    if mode != config.mode:
        why += f"; a rebuild, as {len(withdrawn)} were taken back"
    return Selection(mode, parent, serving, tuple(new), tuple(old), withdrawn, why)


def _trainable(items: list[Item]) -> list[Item]:
    return [item for item in reversed(items) if item.prefix is not None and item.target is not None]


def _rehearsed(forgotten: list[Item], config: RefreshConfig) -> list[Item]:
    secrets = [item for item in forgotten if item.kind == "secret"]
    others = [item for item in forgotten if item.kind != "secret"]
    sample = random.Random(config.seed).sample(others, min(config.rehearsal, len(others)))
    return secrets + sample
