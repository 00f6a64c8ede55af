"""Writes down what was suggested and flagged, and puts what must be forgotten into the ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace

from server.bans import needs_ban
from server.completion_wire import Answer, Asked, Choice, Flagged
from server.guard.finding import Finding
from server.watcher import LedgerChange, LedgerWatch
from store import findings, ledger, suggestions
from store.database import Database
from store.records import Action, FindingRow, Item, Kind, NewItem, Suggestion
from store.stamp import now

# a prompt of 2,048 tokens holds some 8,000 characters; most of them stand before the cursor
KEPT_PREFIX_CHARS = 6_000
KEPT_SUFFIX_CHARS = 2_000


@dataclass(frozen=True)
class Recording:
    """Everything of one answer that goes into the database."""

    asked: Asked
    answer: Answer
    ledger_kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Late:
    """What was found in a suggestion after it had been answered."""

    asked: Asked
    answer: Answer
    choice: Choice
    findings: tuple[Flagged, ...]
    """Offsets are in the choice's text."""
    action: Action


def record(db: Database, recording: Recording, watch: LedgerWatch) -> LedgerChange:
    """Keep the suggestions with their findings; make ledger items of the kinds asked for."""
    choices = [one for one in recording.answer.choices if one.finish != "cancelled"]
    teaches = recording.asked.teaches and any(choice.findings for choice in choices)
    items: list[Item] = []
    with db.transaction(durable=teaches):
        before = ledger.version(db)
        for choice in choices:
            suggestions.record(db, _suggestion(recording, choice))
            items += _record_findings(db, recording, choice, watch)
        return LedgerChange(before, ledger.version(db), tuple(items))


def record_late(
    db: Database, late: Late, ledger_kinds: tuple[Kind, ...], watch: LedgerWatch
) -> LedgerChange:
    """Keep the findings and what was done, by the same rules as if they had been found in time."""
    recording = Recording(late.asked, late.answer, ledger_kinds)
    choice = replace(
        late.choice, proposed=late.choice.text, findings=late.findings, action=late.action
    )
    with db.transaction(durable=late.asked.teaches):
        before = ledger.version(db)
        suggestions.set_action(db, choice.suggestion, late.action)
        items = _record_findings(db, recording, choice, watch)
        return LedgerChange(before, ledger.version(db), tuple(items))


def _record_findings(
    db: Database, recording: Recording, choice: Choice, watch: LedgerWatch
) -> list[Item]:
    items: list[Item] = []
    rows: list[FindingRow] = []
    for flagged in choice.findings:
        learnt = _learn(db, recording, choice, flagged.finding, watch)
        items += learnt
        rows.append(_row(recording.asked, choice, flagged, learnt))
    findings.record(db, rows)
    return items


def _suggestion(recording: Recording, choice: Choice) -> Suggestion:
    return Suggestion(
        id=choice.suggestion,
        created_at=now(),
        model=recording.answer.model,
        generation=choice.generation,
        language=recording.asked.language,
        path=recording.asked.path,
        text=choice.text,
        action=choice.action,
        tokens=choice.tokens,
        took_ms=recording.answer.took_ms,
    )


def _row(asked: Asked, choice: Choice, flagged: Flagged, learnt: list[Item]) -> FindingRow:
    found = flagged.finding
    return FindingRow(
        id=flagged.id,
        created_at=now(),
        suggestion=choice.suggestion,
        kind=found.kind,
        rule=found.rule,
        cwe=found.cwe,
        start=found.start,
        end=found.end,
        message=found.message,
        action=choice.action,
        generation=choice.generation,
        language=asked.language,
        path=asked.path,
        item=learnt[0].id if learnt else None,
    )


def _learn(
    db: Database, recording: Recording, choice: Choice, found: Finding, watch: LedgerWatch
) -> list[Item]:
    """The items that a finding made or changed, the one it is about first."""
    asked = recording.asked
    blamed = choice.proposed[found.start : found.end]
    # what is only a hint may be wrong, and to unlearn what is right harms the model
    if not asked.teaches or not blamed.strip() or found.severity == "low":
        return []
    is_copied = blamed in asked.ask.prefix or blamed in (asked.ask.suffix or "")
    if found.kind == "forgotten":
        item = watch.item_of(db.cipher.fingerprint(blamed))
        if item is None or item.state != "forgotten" or is_copied:
            return []  # banned already, or the user's own text and no memory of the model
        return _relapse(db, item, asked, choice, found)
    if found.kind not in recording.ledger_kinds or (found.kind == "secret" and is_copied):
        return []
    return [ledger.add(db, _new_item(asked, choice, found, found.kind, found.rule))]


def _relapse(db: Database, item: Item, asked: Asked, choice: Choice, found: Finding) -> list[Item]:
    if needs_ban(item, choice.generation):
        return []  # said by a generation from before it was forgotten
    # here with its text again, which may have been destroyed, and perhaps in another context
    added = ledger.add(db, _new_item(asked, choice, found, item.kind, item.rule))
    if added.id == item.id:
        return [added]
    return [added, ledger.mark(db, item.id, "relapsed")]


def _new_item(asked: Asked, choice: Choice, found: Finding, kind: Kind, rule: str) -> NewItem:
    return NewItem(
        prefix=asked.ask.prefix[-KEPT_PREFIX_CHARS:],
        suffix=(asked.ask.suffix or "")[:KEPT_SUFFIX_CHARS],
        target=choice.proposed,
        start=found.start,
        end=found.end,
        kind=kind,
        rule=rule,
        language=asked.language,
        origin="guard",
        path=asked.path,
        replacement=found.replacement,
        suggestion=choice.suggestion,
        message=found.message,
    )
