from __future__ import annotations

from dataclasses import replace

import pytest
from example_records import finding, suggestion

from store import findings, suggestions
from store.database import Database
from store.errors import NotFound
from store.records import Fate
from store.stamp import days_ago


def test_a_suggestion_comes_back_as_it_was_recorded(db: Database) -> None:
    made = suggestion(text="naïve\n", action="warned", path=None)

    suggestions.record(db, made)

    assert suggestions.get(db, made.id) == made


def test_an_unknown_suggestion_is_not_found(db: Database) -> None:
    with pytest.raises(NotFound, match="no suggestion 'nobody'"):
        suggestions.get(db, "nobody")
    with pytest.raises(NotFound):
        suggestions.set_fate(db, "nobody", "shown")


def test_a_fate_is_kept_with_how_much_was_taken(db: Database) -> None:
    made = suggestion()
    suggestions.record(db, made)

    partly = suggestions.set_fate(db, made.id, "partly_accepted", 6)
    retained = suggestions.set_fate(db, made.id, "retained")

    assert partly == replace(made, fate="partly_accepted", accepted_chars=6)
    assert retained == replace(made, fate="retained", accepted_chars=6)


def test_a_late_word_that_it_was_shown_changes_nothing(db: Database) -> None:
    made = suggestion()
    suggestions.record(db, made)

    assert suggestions.set_fate(db, made.id, "shown").fate == "shown"
    suggestions.set_fate(db, made.id, "accepted", 26)

    assert suggestions.set_fate(db, made.id, "shown").fate == "accepted"


def test_accepted_ones_are_those_a_person_took_newest_first(db: Database) -> None:
    fates: list[Fate | None] = [
        "accepted",
        "shown",
        "retained",
        "rejected",
        None,
        "partly_accepted",
        "typed_through",
    ]
    made = [suggestion(text=str(fate), fate=fate) for fate in fates]
    for each in made:
        suggestions.record(db, each)

    assert suggestions.accepted(db, 10) == [made[5], made[2], made[0]]
    assert suggestions.accepted(db, 1) == [made[5]]


def test_pruning_takes_the_old_ones_and_their_findings_stay(db: Database) -> None:
    old = [suggestion(created_at=days_ago(31)) for _ in range(1200)]
    young = suggestion(created_at=days_ago(29))
    with db.transaction():
        for each in [*old, young]:
            suggestions.record(db, each)
    flagged = finding(suggestion=old[0].id)
    findings.record(db, [flagged])

    assert suggestions.prune(db, 30) == 1200

    assert suggestions.get(db, young.id) == young
    assert findings.list_findings(db) == [flagged]
    with pytest.raises(NotFound):
        suggestions.get(db, old[0].id)


def test_findings_come_back_newest_first_by_kind_and_counted(db: Database) -> None:
    secret, weak, other = finding(), finding(kind="insecure", path="a.py"), finding(item="i" * 32)

    findings.record(db, [])
    findings.record(db, [secret, weak])
    findings.record(db, [other])

    assert findings.list_findings(db) == [other, weak, secret]
    assert findings.list_findings(db, kind="secret") == [other, secret]
    assert findings.list_findings(db, kind="secret", limit=1) == [other]
    assert findings.counts(db) == {
        "secret": 2,
        "deprecated": 0,
        "insecure": 1,
        "licensed": 0,
        "forgotten": 0,
        "user": 0,
    }


def test_findings_are_kept_all_or_none(db: Database) -> None:
    first = finding()

    with pytest.raises(Exception, match="UNIQUE"):
        findings.record(db, [first, first])

    assert findings.list_findings(db) == []
