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
    items: tuple[Item, ...]
    """To be trained on, oldest first: an item's state changes nothing about its place, so that a
    rebuild is the same whatever was forgotten before."""
    withdrawn: tuple[Item, ...]
    """Taken back: a rebuild leaves them out."""
    why: str
    """One sentence for a person."""

    @property
    def new(self) -> tuple[Item, ...]:
        """Not yet forgotten, or relapsed."""
        return tuple(item for item in self.items if item.state != "forgotten")

    @property
    def old(self) -> tuple[Item, ...]:
        """Forgotten before, trained along so that they stay so."""
        return tuple(item for item in self.items if item.state == "forgotten")


def select(db: Database, config: RefreshConfig) -> Selection:
    """Read the ledger; changes nothing.

    An item that was taken back is undone exactly, so a refresh then rebuilds from the base, even
    where it was asked for an incremental one.
    """
    serving = adapters.serving(db).generation
    items = _trainable(ledger.list_items(db, states=("banned", "relapsed", "forgotten")))
    withdrawn = tuple(ledger.list_items(db, states=("withdrawn",)))
    mode: RunMode = "rebuild" if withdrawn and serving != BASE else config.mode
    if mode == "incremental":
        rehearsed = _rehearsed([item for item in items if item.state == "forgotten"], config)
        items = [item for item in items if item.state != "forgotten" or item.id in rehearsed]
    parent = BASE if mode == "rebuild" else serving
    old = sum(item.state == "forgotten" for item in items)
    why = f"{len(items) - old} to forget, {old} to keep forgotten, starting from {parent}"
    if mode != config.mode:
        why += f"; a rebuild, as {len(withdrawn)} were taken back"
    return Selection(mode, parent, serving, tuple(items), withdrawn, why)


def _trainable(items: list[Item]) -> list[Item]:
    return [item for item in reversed(items) if item.prefix is not None and item.target is not None]


def _rehearsed(forgotten: list[Item], config: RefreshConfig) -> set[str]:
    """Ids of all secrets and of a sample of the others."""
    others = [item.id for item in forgotten if item.kind != "secret"]
    sample = random.Random(config.seed).sample(others, min(config.rehearsal, len(others)))
    return {item.id for item in forgotten if item.kind == "secret"} | set(sample)
