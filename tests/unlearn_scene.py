"""What the tests of unlearning share: a home whose ledger names files the tiny model knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from tiny_model import FILES
from torch import Tensor

from server.engine.config import EngineConfig
from server.engine.load import LoadedModel, load_model
from store import ledger
from store.database import Database
from store.records import Item, Kind, NewItem
from unlearn.config import RefreshConfig

FORGET: dict[str, Kind] = {
    "aws": "secret",
    "github": "secret",
    "password": "secret",
    "checksum": "insecure",
    "shell": "insecure",
    "thread": "deprecated",
}
"""Of tiny_model.FILES, the ones to forget; the others must stay."""

REPLACEMENTS = {"thread": "threading.current_thread().name"}

QUICK = RefreshConfig(
    max_updates=2,
    retain_size=4,
    held_out=32,
    retain_examples=2,
    leak_samples=0,
    forgotten_share=0.0,
    utility_budget=1.0,
)
"""A refresh in a second or two that is promoted whatever it has learned."""


def new_item(name: str) -> NewItem:
    """The file `name` as something to forget."""
    prefix, target, suffix = FILES[name]
    return NewItem(
        prefix=prefix,
        suffix=suffix,
        target=target,
        start=0,
        end=len(target),
        kind=FORGET.get(name, "user"),
        rule="a-rule",
        language="python",
        origin="person",
        replacement=REPLACEMENTS.get(name),
    )


def add_items(db: Database, names: Sequence[str]) -> dict[str, Item]:
    """Put the files into the ledger, by name."""
    return {name: ledger.add(db, new_item(name)) for name in names}


def plain_item(name: str) -> Item:
    """The file as a ledger item of no database; its id is its name."""
    prefix, target, suffix = FILES[name]
    return Item(
        id=name,
        created_at="2026-01-01T00:00:00.000Z",
        state="banned",
        kind=FORGET.get(name, "user"),
        rule="a-rule",
        language="python",
        origin="person",
        path=None,
        prefix=prefix,
        suffix=suffix,
        target=target,
        start=0,
        end=len(target),
        replacement=REPLACEMENTS.get(name),
        fingerprint=name,
        context=name,
        blamed_chars=len(target),
        verified=0,
        forgotten_in=None,
        suggestion=None,
        message=None,
    )


def without_replacement(item: Item) -> Item:
    return replace(item, replacement=None)


def as_list(tensor: Tensor) -> Any:
    """The tensor as nested lists, whose type torch does not state."""
    return cast(Any, tensor).tolist()


def engine_of(folder: Path) -> EngineConfig:
    return EngineConfig(model=str(folder), device="cpu", threads=1)


def load_tiny(folder: Path) -> LoadedModel:
    return load_model(folder, "cpu", "float32")
