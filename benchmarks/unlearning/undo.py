"""Taking an item back: it comes again as the base says it, and a rebuild knows nothing of it."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.unlearning.served import new_item, one_refresh, probability, serving_model
from server.engine.load import load_model
from store import adapters, ledger
from store.database import Database, open_database
from store.home import Home
from store.records import Item
from unlearn.config import RefreshConfig


@dataclass(frozen=True)
class Undo:
    """What became of an item that was forgotten and then taken back."""

    items: int
    """In the ledger, with it."""
    base: float
    """Probability of a token of it: the geometric mean, in the served form."""
    forgotten: float
    back: float
    others: float
    """Of items never held, after the rebuild and relative to the base, on average."""
    equal: bool
    """Whether the rebuild's bytes are those of a home that never held the item."""

    def sentence(self) -> str:
        return (
            f"taken back, one of {self.items} items: a token of it has probability "
            f"{self.base:.3f} in the base, {self.forgotten:.1g} once forgotten, {self.back:.3f} "
            f"after the rebuild ({self.back / self.base - 1:+.1%}), of those never held "
            f"{self.others:.3f} of what it has there ({self.others - 1:+.1%}); "
            f"the rebuild is "
            f"{'' if self.equal else 'not '}byte for byte that of a home that never held it"
        )


def undo(
    model: Path,
    items: Sequence[Item],
    config: RefreshConfig,
    folder: Path,
    others: Sequence[Item],
) -> Undo:
    """Forget `items` in one night, take the first back, and compare with never having held it, for
    it and for `others`, which never were."""
    loaded = load_model(model, "cpu", "float32")
    taken = items[0]
    with _home(folder / "undo", items) as (home, db):
        one_refresh(home, model, config, "incremental")
        forgotten = probability(loaded, serving_model(home, db, loaded), taken)
        (held,) = (one for one in ledger.list_items(db) if one.target == taken.target)
        ledger.withdraw(db, held.id)
        one_refresh(home, model, config, "incremental")  # which now has to be a rebuild
        model_after = serving_model(home, db, loaded)
        back = probability(loaded, model_after, taken)
        rebuilt = _newest_digest(db)
    with _home(folder / "never", items[1:]) as (home, db):
        one_refresh(home, model, config, "rebuild")
        never = _newest_digest(db)
    return Undo(
        items=len(items),
        base=probability(loaded, loaded.model, taken),
        forgotten=forgotten,
        back=back,
        others=statistics.fmean(
            probability(loaded, model_after, one) / probability(loaded, loaded.model, one)
            for one in others
        ),
        equal=rebuilt == never,
    )


@contextmanager
def _home(root: Path, items: Sequence[Item]) -> Generator[tuple[Home, Database]]:
    """A new home with these in its ledger, and its database while inside."""
    shutil.rmtree(root, ignore_errors=True)
    home = Home(root)
    db = open_database(home)
    try:
        for item in items:
            ledger.add(db, new_item(item))
        yield home, db
    finally:
        db.close()


def _newest_digest(db: Database) -> str:
    return adapters.list_adapters(db)[0].digest
