"""The rows of results/engine.json: what is measured anew replaces its like, all others stay."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import machine

RESULT = Path(__file__).parents[1] / "results" / "engine.json"


@dataclass(frozen=True)
class Row:
    """One figure of ours, beside a peer's where there is one."""

    model: str
    measure: str
    peer: str | None = None
    ours_ms: float | None = None
    peer_ms: float | None = None
    value: float | None = None
    """Of what is no time: a count, a share, MiB."""
    mark: float | None = None
    """The ratio, or without a peer the figure, that is aimed at."""
    threads: int | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to the peer's."""
        if self.ours_ms is None or not self.peer_ms:
            return None
        return round(self.ours_ms / self.peer_ms, 3)

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Two rows of one key are the same measurement."""
        return self.model, self.measure, self.peer


def write(rows: Iterable[Row]) -> None:
    """Put `rows` into the result file and print them."""
    found = {row.key: asdict(row) | {"ratio": row.ratio} for row in rows}
    kept: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    if RESULT.is_file():
        old: list[dict[str, Any]] = json.loads(RESULT.read_text())["rows"]
        kept = {(row["model"], row["measure"], row["peer"]): row for row in old}
    ordered = sorted(
        (kept | found).values(), key=lambda r: (r["model"], r["measure"], r["peer"] or "")
    )
    document = {"machine": machine(), "rows": ordered}
    RESULT.write_text(json.dumps(document, indent=1) + "\n")
    for row in found.values():
        print("  ".join(f"{'' if value is None else value!s:<12}" for value in row.values()))
