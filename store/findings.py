"""What the guard flagged, without the flagged text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from store.database import Database
from store.records import KINDS, FindingRow, Kind


def record(db: Database, findings: Iterable[FindingRow]) -> None:
    """Keep the findings of a suggestion, all or none."""
    rows = [asdict(finding) for finding in findings]
    if rows:
        with db.transaction() as sql:
            sql.table("findings").insert_all(rows)


def list_findings(db: Database, *, kind: Kind | None = None, limit: int = 100) -> list[FindingRow]:
    """Newest first."""
    where, values = ("WHERE kind = ?", [kind]) if kind else ("", [])
    query = (
        "SELECT id, created_at, suggestion, kind, rule, cwe, start, end, message, action,"
        f" generation, language, path, item FROM findings {where} ORDER BY number DESC LIMIT ?"
    )
    return [FindingRow(**row) for row in db.rows(query, [*values, limit])]


def counts(db: Database) -> dict[Kind, int]:
    """How many there are of each kind, zeros too."""
    rows = db.rows("SELECT kind, count(*) AS count FROM findings GROUP BY kind")
    found = {row["kind"]: int(row["count"]) for row in rows}
    return {kind: found.get(kind, 0) for kind in KINDS}
