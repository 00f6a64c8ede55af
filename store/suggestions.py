"""What was offered at a cursor and what became of it."""

from __future__ import annotations

from dataclasses import asdict

from store.database import Database, Row
from store.errors import NotFound
from store.records import Action, Fate, Suggestion
from store.stamp import days_ago


def record(db: Database, suggestion: Suggestion) -> None:
    """Keep a suggestion; on the typing path, so not durable against a power cut."""
    row = asdict(suggestion) | {"text": db.cipher.encrypt(suggestion.text)}
    with db.transaction() as sql:
        sql.table("suggestions").insert(row)


def get(db: Database, id: str) -> Suggestion:
    """The suggestion; raises NotFound."""
    for row in db.rows(f"{_SELECT} WHERE id = ?", [id]):
        return _suggestion(db, row)
    raise NotFound("suggestion", id, "it was never made, or longer ago than they are kept")


def set_fate(db: Database, id: str, fate: Fate, accepted_chars: int | None = None) -> Suggestion:
    """Say what became of a suggestion; a late `shown` does not undo what came after it."""
    with db.transaction():
        db.write(
            "UPDATE suggestions SET fate = ?, accepted_chars = coalesce(?, accepted_chars)"
            " WHERE id = ? AND (fate IS NULL OR ? <> 'shown')",
            [fate, accepted_chars, id, fate],
        )
        return get(db, id)


def set_action(db: Database, id: str, action: Action) -> None:
    """What the guard did about a suggestion after it was recorded; a pruned one is no error."""
    db.write("UPDATE suggestions SET action = ? WHERE id = ?", [action, id])


def accepted(db: Database, limit: int) -> list[Suggestion]:
    """Those that a person took, wholly or partly, newest first."""
    query = (
        f"{_SELECT} WHERE fate IN ('accepted', 'partly_accepted', 'retained')"
        " ORDER BY number DESC LIMIT ?"
    )
    return [_suggestion(db, row) for row in db.rows(query, [limit])]


def prune(db: Database, days: float) -> int:
    """Delete those older than `days` and return how many they were."""
    oldest = days_ago(days)
    pruned = 0
    while True:
        # in pieces, so that a keystroke waits for a hundredth of a second at most
        batch = db.write(
            "DELETE FROM suggestions WHERE number IN"
            " (SELECT number FROM suggestions WHERE created_at < ? LIMIT 500)",
            [oldest],
        )
        if not batch:
            return pruned
        pruned += batch


def mask(db: Database, text: str) -> int:
    """Blot `text` out of every suggestion that quotes it and return how many did."""
    masked = 0
    for row in db.rows("SELECT number, text FROM suggestions"):
        said = db.cipher.decrypt(row["text"])
        if text in said:
            sealed = db.cipher.encrypt(said.replace(text, "*" * len(text)))
            masked += db.write(
                "UPDATE suggestions SET text = ? WHERE number = ?", [sealed, row["number"]]
            )
    return masked


_SELECT = (
    "SELECT id, created_at, model, generation, language, path, text, action, tokens, took_ms,"
    " fate, accepted_chars FROM suggestions"
)


def _suggestion(db: Database, row: Row) -> Suggestion:
    row["text"] = db.cipher.decrypt(row["text"])
    return Suggestion(**row)
