"""What the store learns from a refresh: bans retired, relapses banned again, texts destroyed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store import ledger
from store.database import Database
from store.records import Item, RunItem
from unlearn.keepsake import Keepsake, Kept, write_keepsake
from unlearn.teacher import Lesson
from unlearn.training import Training
from unlearn.verdict import Verdict

VERIFIED_ENOUGH = 3
"""A secret's text is destroyed once so many refreshes have found it forgotten."""
KEPT_TOKENS = 64
"""How much of a nucleus is kept of a destroyed item."""


def ban_again(db: Database, items: Iterable[Item], verdict: Verdict) -> list[str]:
    """Before a promotion: what the candidate says again is banned before it serves."""
    relapsed = [
        item.id
        for item in items
        if item.state == "forgotten" and not verdict.items[item.id].is_forgotten
    ]
    for id in relapsed:
        ledger.mark(db, id, "relapsed")
    return relapsed


def retire_bans(db: Database, items: Iterable[Item], verdict: Verdict, generation: str) -> int:
    """After a promotion: what the served weights have forgotten needs no ban any more."""
    retired = 0
    for item in items:
        if not verdict.items[item.id].is_forgotten:
            continue
        with db.transaction():
            ledger.verified(db, item.id, generation)
            if item.state != "forgotten":
                ledger.mark(db, item.id, "forgotten", generation=generation)
                retired += 1
    return retired


def run_rows(
    run: str, items: Iterable[Item], training: Training, verdict: Verdict
) -> list[RunItem]:
    """What the run did to each item that was trained on."""
    rows: list[RunItem] = []
    for item in items:
        trail, found = training.trails.get(item.id), verdict.items.get(item.id)
        if trail is not None:
            rows.append(
                RunItem(
                    run=run,
                    item=item.id,
                    probability_before=trail.before,
                    probability_after=trail.after,
                    steps=trail.steps,
                    seconds=trail.seconds,
                    leaks=0 if found is None else found.leaks,
                    forgotten=found is not None and found.is_forgotten,
                )
            )
    return rows


def destroy_verified(db: Database, ids: Iterable[str], lessons: Sequence[Lesson]) -> int:
    """Destroy the texts of secrets that were verified often enough; what stays is a keepsake."""
    destroyed = 0
    for id in ids:
        item = ledger.get(db, id)
        is_due = item.kind == "secret" and item.verified >= VERIFIED_ENOUGH
        if item.state != "forgotten" or item.is_destroyed or not is_due:
            continue
        keepsake = keepsake_of(item, lessons)
        if keepsake is not None:
            ledger.destroy_text(db, id, keep=write_keepsake(keepsake))
            destroyed += 1
    return destroyed


def keepsake_of(item: Item, lessons: Sequence[Lesson]) -> Keepsake | None:
    """What to keep of an item; None if that would still hold the blamed text."""
    if item.target is None or item.blamed is None:
        return None
    lead = item.target[: item.start]
    targets = {
        lesson.example.form: _kept(lesson)
        for lesson in lessons
        if lesson.example.item == item.id and not lesson.example.typed and lesson.pushed.any()
    }
    return None if item.blamed in lead or not targets else Keepsake(lead, targets)


def _kept(lesson: Lesson) -> Kept:
    mass, order = lesson.target.mass[0].topk(min(KEPT_TOKENS, lesson.target.mass.shape[1]))
    ids, mass = lesson.target.ids[0][order][mass > 0], mass[mass > 0]
    mass = mass / mass.sum()
    return Kept(tuple(int(i) for i in ids), tuple(float(m) for m in mass))
