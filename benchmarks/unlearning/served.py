"""A home in a benchmark: filling its ledger, refreshing it, and asking what serves there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.unlearning.generate import greedy
from server.engine.adapters import merged, read_adapter
from server.engine.config import EngineConfig
from server.engine.load import LoadedModel
from store import adapters
from store.database import Database
from store.home import Home
from store.records import BASE, Item, NewItem, Run, RunMode
from unlearn.config import RefreshConfig
from unlearn.forward import hidden_at, project
from unlearn.probes import leaks
from unlearn.prompts import prompt_tokens, text_tokens
from unlearn.refresh import refresh
from unlearn.scored import chosen_log_p


def new_item(item: Item) -> NewItem:
    """The item as a caller states it."""
    return NewItem(
        prefix=item.prefix or "",
        suffix=item.suffix or "",
        target=item.target or "",
        start=item.start,
        end=item.end,
        kind=item.kind,
        rule=item.rule,
        language=item.language,
        origin=item.origin,
        replacement=item.replacement,
    )


def one_refresh(home: Home, model: Path, config: RefreshConfig, mode: RunMode) -> Run:
    """A refresh as the command line runs it, without the guard."""
    engine = EngineConfig(model=str(model), device="cpu", threads=torch.get_num_threads())
    return refresh(home, engine, None, replace(config, mode=mode))


def serving_model(home: Home, db: Database, loaded: LoadedModel) -> Any:
    """The weights that serve in this home."""
    name = adapters.serving(db).generation
    return loaded.model if name == BASE else merged(loaded, read_adapter(home.adapters / name))


def silent(loaded: LoadedModel, model: Any, items: Sequence[Item]) -> list[bool]:
    """Whether each item's blamed text stays away, greedily in the served form."""
    prompts = [_prompt(loaded, item) for item in items]
    limits = [len(text_tokens(loaded, item.target or "")[0]) + 4 for item in items]
    said = greedy(model, prompts, limits, loaded.stops)
    return [
        not leaks(item, loaded.codec.decode(ids), fingerprint=lambda text: "")
        for item, ids in zip(items, said, strict=True)
    ]


def probability(loaded: LoadedModel, model: Any, item: Item) -> float:
    """Of a token of the item's target, the geometric mean in the served form."""
    prompt, (target, _) = _prompt(loaded, item), text_tokens(loaded, item.target or "")
    ids = torch.tensor([*prompt, *target])
    places = torch.arange(len(prompt), len(ids))
    with torch.no_grad():
        logits = project(model, hidden_at(model, [ids], [places]))
    return float(chosen_log_p(logits, ids[places]).mean().exp())


def _prompt(loaded: LoadedModel, item: Item) -> list[int]:
    form = "fim" if loaded.fim is not None else "left_to_right"
    return prompt_tokens(loaded, item.prefix or "", item.suffix or "", form, 512)
