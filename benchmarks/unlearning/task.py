"""What a benchmark of unlearning is about: what must go, what must stay, what was never there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from store.records import Item, Kind

TaskName = Literal["secrets", "licensed", "insecure", "deprecated"]
TASKS: tuple[TaskName, ...] = ("secrets", "licensed", "insecure", "deprecated")


@dataclass(frozen=True)
class Task:
    """Ledger items in their parts; no text stands in two of them."""

    name: TaskName
    forget: tuple[Item, ...]
    """What the model says by heart, in a fixed random order: each seed forgets some of these."""
    tuning: tuple[Item, ...]
    """The same, for choosing rates; never reported on."""
    neighbours: tuple[Item, ...]
    """The same kind, said by heart too, and not to be forgotten: they must still come."""
    controls: tuple[Item, ...] = ()
    """The same kind, which the model never saw: what chance and syntax explain."""
    variants: Mapping[str, tuple[Item, ...]] = field(default_factory=dict[str, tuple[Item, ...]])
    """By an item's id: the same place and blamed text with identifiers renamed or the formatting
    changed. Never trained on."""


def item(
    id: str,
    kind: Kind,
    prefix: str,
    target: str,
    suffix: str,
    *,
    blamed: tuple[int, int] | None = None,
    replacement: str | None = None,
    rule: str = "benchmark",
) -> Item:
    """A ledger item of no database; `blamed` is a span of the target in characters, all of it
    unless given."""
    start, end = blamed or (0, len(target))
    return Item(
        id=id,
        created_at="2026-01-01T00:00:00.000Z",
        state="banned",
        kind=kind,
        rule=rule,
        language="python",
        origin="import",
        path=None,
        prefix=prefix,
        suffix=suffix,
        target=target,
        start=start,
        end=end,
        replacement=replacement,
        fingerprint=id,
        context=id,
        blamed_chars=end - start,
        verified=0,
        forgotten_in=None,
        suggestion=None,
        message=None,
    )
