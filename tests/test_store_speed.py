from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
from example_records import finding, new_item, suggestion

from store import findings, ledger, suggestions
from store.database import Database


def test_recording_is_not_felt_while_typing(db: Database) -> None:
    def record() -> None:
        made = suggestion(text="total = sum(values)\n" * 8)
        suggestions.record(db, made)
        findings.record(db, [finding(suggestion=made.id), finding(suggestion=made.id)])

    assert _median_ms(record, 300) < 2


def test_asking_for_changes_costs_next_to_nothing(db: Database) -> None:
    assert _median_ms(db.changes, 1000) < 0.05


QUERIES: list[tuple[str, Callable[[Database], object]]] = [
    ("suggestions_accepted", lambda db: suggestions.accepted(db, 5)),
    ("suggestions_by_age", lambda db: suggestions.prune(db, 30)),
    ("findings_by_kind", lambda db: findings.list_findings(db, kind="secret")),
    ("findings_by_kind", findings.counts),
    ("ledger_by_state", lambda db: ledger.list_items(db, states=("banned", "relapsed"))),
    ("ledger_by_kind", lambda db: ledger.list_items(db, kind="user", limit=5)),
    ("ledger_live", lambda db: ledger.add(db, new_item())),
]


@pytest.mark.parametrize(("index", "ask"), QUERIES)
def test_a_query_walks_its_index(
    db: Database, index: str, ask: Callable[[Database], object]
) -> None:
    statements = list[str]()
    db.sql.conn.set_trace_callback(statements.append)
    ask(db)
    db.sql.conn.set_trace_callback(None)

    plans = [
        str(row["detail"])
        for statement in statements
        if statement.startswith(("SELECT", "DELETE"))
        for row in db.rows(f"EXPLAIN QUERY PLAN {statement}")
    ]

    assert any(index in plan for plan in plans), plans


def _median_ms(work: Callable[[], object], times: int) -> float:
    took = list[float]()
    for _ in range(times):
        begun = time.perf_counter()
        work()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)
