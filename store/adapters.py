"""The generations and the pointer to the one that serves."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from store.database import Database, Row
from store.errors import NotFound, NotPassed, PromotionConflict
from store.records import BASE, Adapter, AdapterState, Serving
from store.stamp import now


def add(db: Database, adapter: Adapter) -> None:
    """Keep a generation that lies on disk."""
    with db.transaction(durable=True) as sql:
        sql.table("adapters").insert(asdict(adapter) | {"metrics": json.dumps(adapter.metrics)})


def get(db: Database, name: str) -> Adapter:
    """The generation; raises NotFound, for `base` too: that is the model without one."""
    for row in db.rows(f"{_SELECT} WHERE name = ?", [name]):
        return _adapter(row)
    raise NotFound("generation", name, "`unsay adapters` lists those there are")


def list_adapters(db: Database) -> list[Adapter]:
    """Newest first."""
    return [_adapter(row) for row in db.rows(f"{_SELECT} ORDER BY number DESC")]


def set_state(
    db: Database, name: str, state: AdapterState, metrics: dict[str, Any] | None = None
) -> Adapter:
    """Say how the gate judged a generation, with its figures; raises NotFound."""
    with db.transaction(durable=True):
        db.write(
            "UPDATE adapters SET state = ?, metrics = coalesce(?, metrics) WHERE name = ?",
            [state, None if metrics is None else json.dumps(metrics), name],
        )
        return get(db, name)


def serving(db: Database) -> Serving:
    """The generation that serves; `base` at first."""
    (row,) = db.rows("SELECT generation, previous, changed_at FROM serving")
    return Serving(**row)


def promote(db: Database, name: str, *, expected: str) -> Serving:
    """Serve generation `name` or `base`, if `expected` is what serves now.

    Raises PromotionConflict, NotFound, NotPassed; the pointer stays where it was then.
    """
    with db.transaction(durable=True):
        if name != BASE and (adapter := get(db, name)).state != "passed":
            raise NotPassed(
                name, f"a {adapter.state}" if adapter.state == "candidate" else "rejected"
            )
        return _point(db, name, expected)


def rollback(db: Database, *, expected: str | None = None) -> Serving:
    """Serve again what served before; raises NotFound where nothing did, PromotionConflict."""
    with db.transaction(durable=True):
        current = serving(db)
        if expected is not None and expected != current.generation:
            raise PromotionConflict(current, expected)
        if current.previous is None:
            raise NotFound("generation", "previous", "nothing served before this one")
        return _point(db, current.previous, current.generation)


def next_number(db: Database) -> int:
    """The number of the next generation: `g000012-...` is followed by 13."""
    (row,) = db.rows("SELECT max(CAST(substr(name, 2, 6) AS INTEGER)) AS highest FROM adapters")
    return int(row["highest"] or 0) + 1


_SELECT = (
    "SELECT name, created_at, parent, digest, base_digest, method, mode, state, run, metrics"
    " FROM adapters"
)


def _adapter(row: Row) -> Adapter:
    row["metrics"] = json.loads(row["metrics"])
    return Adapter(**row)


def _point(db: Database, name: str, expected: str) -> Serving:
    current = serving(db)
    if current.generation != expected:
        raise PromotionConflict(current, expected)
    if name == current.generation:
        return current  # else it would be its own predecessor
    db.write(
        "UPDATE serving SET generation = ?, previous = ?, changed_at = ?",
        [name, current.generation, now()],
    )
    return serving(db)
