"""The list of things to forget. Its texts are encrypted, and a secret's are destroyed in time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict

from store import suggestions
from store.database import Database, Row
from store.errors import NotFound
from store.records import Item, ItemState, Kind, NewItem
from store.stamp import new_id, now


def add(db: Database, new: NewItem) -> Item:
    """Ban something from now on.

    The same blamed text in the same place is one item: it is returned as it is, or, if the
    weights had forgotten it, as `relapsed` with its texts restored.
    """
    blamed = new.target[new.start : new.end]
    fingerprint = db.cipher.fingerprint(blamed)
    context = db.cipher.context(new.prefix, new.suffix)
    with db.transaction(durable=True) as sql:
        query = f"{_SELECT} WHERE fingerprint = ? AND context = ? AND state <> 'withdrawn'"
        for row in db.rows(query, [fingerprint, context]):
            item = _item(db, row)
            return _relapse(db, item, new) if item.state == "forgotten" else item
        item = Item(
            **asdict(new),
            id=new_id(),
            created_at=now(),
            state="banned",
            fingerprint=fingerprint,
            context=context,
            blamed_chars=len(blamed),
            verified=0,
            forgotten_in=None,
        )
        sql.table("ledger").insert(asdict(item) | _sealed(db, asdict(item)))
        return item


def get(db: Database, id: str) -> Item:
    """The item; raises NotFound."""
    for row in db.rows(f"{_SELECT} WHERE id = ?", [id]):
        return _item(db, row)
    raise NotFound("item", id, "`unsay ledger` lists those there are")


def list_items(
    db: Database,
    *,
    states: Collection[ItemState] | None = None,
    kind: Kind | None = None,
    limit: int | None = None,
) -> list[Item]:
    """Those in one of `states` and of `kind`, newest first; None means any."""
    wheres: list[str] = []
    values: list[object] = []
    if states is not None:
        wheres.append(f"state IN ({', '.join('?' * len(states))})")
        values += states
    if kind is not None:
        wheres.append("kind = ?")
        values.append(kind)
    where = f"WHERE {' AND '.join(wheres)}" if wheres else ""
    query = f"{_SELECT} {where} ORDER BY number DESC LIMIT ?"
    return [_item(db, row) for row in db.rows(query, [*values, -1 if limit is None else limit])]


def withdraw(db: Database, id: str) -> Item:
    """Take an item back. Its texts stay until `purge`: a rebuild has to leave it out exactly."""
    with db.transaction(durable=True):
        db.write("UPDATE ledger SET state = 'withdrawn' WHERE id = ?", [id])
        return get(db, id)


def mark(db: Database, id: str, state: ItemState, *, generation: str | None = None) -> Item:
    """Set an item's state; `generation` is where it was forgotten. One taken back stays so.

    A relapsed one has to be verified from the start again.
    """
    with db.transaction(durable=True):
        db.write(
            "UPDATE ledger SET state = ?, forgotten_in = ? WHERE id = ? AND state <> 'withdrawn'",
            [state, generation if state == "forgotten" else None, id],
        )
        if state == "relapsed":
            db.write("UPDATE ledger SET verified = 0, verified_in = NULL WHERE id = ?", [id])
        return get(db, id)


def verified(db: Database, id: str, generation: str) -> Item:
    """Count one more refresh that found the item forgotten; a generation counts once."""
    with db.transaction(durable=True):
        db.write(
            "UPDATE ledger SET verified = verified + 1, verified_in = ?"
            " WHERE id = ? AND verified_in IS NOT ?",
            [generation, id, generation],
        )
        return get(db, id)


def destroy_text(db: Database, id: str, *, keep: str) -> Item:
    """Overwrite what an item blamed; raises NotFound.

    `keep` takes the place of the target: what a later training holds the model to at that point,
    which must not reveal the blamed text. Where the item's context quotes that text, and for a
    secret also where suggestions do, blots of the same length stand for it. Other items keep
    theirs until their own turn. The fingerprint stays, so that a relapse is seen.
    """
    with db.transaction(durable=True):
        item = get(db, id)
        if item.blamed is None:
            return item
        blot = "*" * len(item.blamed)
        texts = {
            name: None if text is None else text.replace(item.blamed, blot)
            for name, text in _texts(asdict(item)).items()
        }
        start = min(item.start, len(keep))
        _rewrite(db, id, texts | {"target": keep}, start, len(keep), is_destroyed=True)
        if item.kind == "secret":  # other blamed texts are ordinary code, which others may say
            suggestions.mask(db, item.blamed)
    db.wipe()
    return get(db, id)


def purge(db: Database, ids: Iterable[str]) -> int:
    """Delete those of the items that are withdrawn, once a rebuild has left them out."""
    with db.transaction(durable=True):
        statement = "DELETE FROM ledger WHERE id = ? AND state = 'withdrawn'"
        purged = sum(db.write(statement, [id]) for id in ids)
    db.wipe()
    return purged


def version(db: Database) -> int:
    """Grows with every change to the ledger, by whichever process."""
    (row,) = db.rows("SELECT value FROM facts WHERE name = 'ledger_version'")
    return int(row["value"])


_SEALED = ("prefix", "suffix", "target", "replacement", "message")
_SELECT = (
    "SELECT id, created_at, state, kind, rule, language, origin, path, prefix, suffix, target,"
    " start, end, replacement, fingerprint, context, blamed_chars, verified, forgotten_in,"
    " suggestion, message, is_destroyed FROM ledger"
)


def _item(db: Database, row: Row) -> Item:
    for name in _SEALED:
        if row[name] is not None:
            row[name] = db.cipher.decrypt(row[name])
    row["is_destroyed"] = bool(row["is_destroyed"])
    return Item(**row)


def _texts(row: Row) -> dict[str, str | None]:
    return {name: row[name] for name in _SEALED}


def _sealed(db: Database, row: Row) -> dict[str, bytes | None]:
    return {
        name: None if text is None else db.cipher.encrypt(text)
        for name, text in _texts(row).items()
    }


def _relapse(db: Database, item: Item, new: NewItem) -> Item:
    texts = _texts(asdict(item)) | {n: t for n, t in _texts(asdict(new)).items() if t is not None}
    _rewrite(db, item.id, texts, new.start, new.end, is_destroyed=False)
    return mark(db, item.id, "relapsed")


def _rewrite(
    db: Database,
    id: str,
    texts: dict[str, str | None],
    start: int,
    end: int,
    *,
    is_destroyed: bool,
) -> None:
    sealed = _sealed(db, texts)
    columns = ", ".join(f"{name} = ?" for name in sealed)
    db.write(
        f"UPDATE ledger SET {columns}, start = ?, end = ?, is_destroyed = ? WHERE id = ?",
        [*sealed.values(), start, end, is_destroyed, id],
    )
