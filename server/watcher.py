"""Keeps the engine's bans and the guard's ledger equal to the database, whoever writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from server.bans import needs_ban
from server.engine.protocol import Ban, Engine
from server.guard.guard import Guard
from store import ledger
from store.database import Database
from store.records import Item


@dataclass(frozen=True)
class LedgerChange:
    """What one transaction of ours did to the ledger."""

    before: int
    """The ledger's version when it began."""
    after: int
    items: tuple[Item, ...]
    """Those it added or changed, as they are now."""


class LedgerWatch:
    """The ledger as the engine and the guard know it.

    Every method but `is_current` runs in the store's thread, one after the other, so no lock is
    needed. What was computed for an item is kept until the item changes: ten thousand of them
    cost nothing on a keystroke.
    """

    def __init__(self, engine: Engine, guard: Guard, banned: Callable[[int], None]) -> None:
        self._engine = engine
        self._guard = guard
        self._banned = banned
        self._changes: int | None = None
        self._version: int | None = None
        self._items: dict[str, Item] = {}
        self._bans: dict[str, list[Ban]] = {}
        self._generations: tuple[str, ...] = (engine.serving,)
        self._is_applied = False

    def follow(self, db: Database) -> None:
        """Take over what has changed since the last look; cheap when nothing has."""
        changes = db.changes()
        if self.is_current(changes):
            return
        version = ledger.version(db)
        if version != self._version:
            self._replace(ledger.list_items(db))
        self._changes, self._version = changes, version
        self._apply(db)

    def is_current(self, changes: int) -> bool:
        """Whether nothing was committed since the last look; for when the store's thread rests."""
        return self._is_applied and changes == self._changes

    def note(self, db: Database, change: LedgerChange) -> None:
        """Take over a change of our own without reading the whole ledger again."""
        if change.before == self._version and change.items:
            for item in change.items:
                self._take(item)
            self._version = change.after
            self._apply(db)

    def protect(self, db: Database, generations: Iterable[str]) -> None:
        """Ban what any of `generations` may still say, from the next request on."""
        self._generations = tuple(generations)
        self._is_applied = False
        self.follow(db)

    def item_of(self, fingerprint: str) -> Item | None:
        """A live item with that blamed text, a forgotten one first."""
        found = [item for item in self._items.values() if item.fingerprint == fingerprint]
        found.sort(key=lambda item: item.state != "forgotten")
        return found[0] if found else None

    def _replace(self, items: list[Item]) -> None:
        gone = self._items.keys() - {item.id for item in items}
        for item in items:
            if self._items.get(item.id) != item:
                self._take(item)
        for id in gone:
            self._forget(id)

    def _take(self, item: Item) -> None:
        self._is_applied = False
        self._bans.pop(item.id, None)
        if item.state == "withdrawn":
            self._items.pop(item.id, None)
        else:
            self._items[item.id] = item

    def _forget(self, id: str) -> None:
        self._is_applied = False
        self._items.pop(id, None)
        self._bans.pop(id, None)

    def _apply(self, db: Database) -> None:
        if self._is_applied:
            return
        bans: set[Ban] = set()
        for item in self._items.values():
            if any(needs_ban(item, generation) for generation in self._generations):
                bans.update(self._bans_of(item))
        self._engine.set_bans(bans)
        self._guard.set_ledger(self._items.values(), db.cipher.fingerprint)
        self._banned(len(bans))
        self._is_applied = True

    def _bans_of(self, item: Item) -> list[Ban]:
        if item.id not in self._bans:
            # of a destroyed text nothing is left to ban; the guard still knows its fingerprint
            target = None if item.is_destroyed else item.target
            self._bans[item.id] = (
                []
                if target is None
                else self._engine.bans_for(
                    item.prefix or "",
                    item.suffix or "",
                    target,
                    item.start,
                    item.end,
                    item.kind,
                    item.replacement,
                )
            )
        return self._bans[item.id]
