"""What a model can still do: unseen code read token by token, and lines of it filled in."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.embedded_model.fim import Cut
from benchmarks.embedded_model.lines import Hole, edit_similarity, held_out_holes, parses
from benchmarks.unlearning.generate import greedy
from benchmarks.unlearning.unseen import unseen_code
from server.engine.load import LoadedModel
from unlearn.forward import hidden_at, length_sorted, project
from unlearn.prompts import prompt_tokens, text_tokens
from unlearn.scored import chosen_log_p
from unlearn.scores import repeats

WINDOWS = 40
WINDOW_TOKENS = 128
HOLES = 60
LINE_TOKENS = 24
PREFIX_CHARS = 400
SUFFIX_CHARS = 150
"""An editor sends more; this much decides the line and is read three times as fast."""
BATCH_TOKENS = 4096
SEED = 41


@dataclass(frozen=True)
class HeldOut:
    """Unseen code to read and to fill in."""

    rows: tuple[Tensor, ...]
    """(time,) token ids."""
    holes: tuple[Hole, ...]
    is_seen: bool
    """Nothing unseen could be had: see `benchmarks.unlearning.unseen`."""


@dataclass(frozen=True)
class Capability:
    """What the model made of it."""

    loss: float
    """Nats per token of unseen code."""
    probability: float
    """exp(-loss)."""
    accuracy: float
    """Share of its tokens that are the first choice."""
    exact: float
    """Share of the lines filled in word for word."""
    similarity: float
    """Their mean edit similarity to what stood there."""
    as_base: float
    """Share of the lines filled in just as the base does."""
    parses: float
    """Share of the files that parse with the line filled in."""
    empty: float
    repeats: float
    lines: tuple[str, ...]
    """What was filled in."""


def capability_from(row: dict[str, Any]) -> Capability:
    """What `dataclasses.asdict` made `row` of."""
    fields: dict[str, Any] = {**row, "lines": tuple(row["lines"])}
    return Capability(**fields)


def held_out(loaded: LoadedModel) -> HeldOut:
    """Windows and lines of unseen code, the same ones each time."""
    unseen = unseen_code()
    chance = random.Random(SEED)
    rows: list[Tensor] = []
    for file in unseen.files[HOLES : HOLES + WINDOWS]:
        ids = text_tokens(loaded, file.text[: 40 * WINDOW_TOKENS])[0]
        start = chance.randrange(max(1, len(ids) - WINDOW_TOKENS))
        rows.append(torch.tensor(ids[start : start + WINDOW_TOKENS]))
    files = [
        {"package": file.package, "path": file.path, "text": file.text}
        for file in unseen.files[:HOLES]
    ]
    return HeldOut(tuple(rows), tuple(held_out_holes(files, HOLES)), unseen.is_seen)


def capability(
    model: nn.Module, loaded: LoadedModel, unseen: HeldOut, base: Capability | None
) -> Capability:
    """Read and fill in; `base` is None for the base itself. Without holes to fill, what is made of
    them is NaN."""
    costs, hits = _read(model, unseen)
    loss = float(costs.mean())
    lines = _filled(model, loaded, unseen)
    wanted = [hole.line.rstrip() for hole in unseen.holes]
    pairs = list(zip(lines, wanted, strict=True))
    same = lines if base is None or not lines else base.lines
    return Capability(
        loss=loss,
        probability=float((-costs.mean()).exp()),
        accuracy=float(hits.float().mean()),
        exact=_share(said == line for said, line in pairs),
        similarity=_share(edit_similarity(*pair) for pair in pairs),
        as_base=_share(a == b for a, b in zip(lines, same, strict=True)),
        parses=_share(map(parses, unseen.holes, lines)),
        empty=_share(not line.strip() for line in lines),
        repeats=_share(map(repeats, lines)),
        lines=tuple(lines),
    )


def _share(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.fmean(found) if found else math.nan


def _read(model: nn.Module, unseen: HeldOut) -> tuple[Tensor, Tensor]:
    """The cost in nats of every token of unseen code, and whether it is the first choice."""
    costs, hits = list[Tensor](), list[Tensor]()
    with torch.no_grad():
        for batch in length_sorted([len(row) for row in unseen.rows], BATCH_TOKENS):
            rows = [unseen.rows[i] for i in batch]
            places = [torch.arange(1, len(row)) for row in rows]
            logits = project(model, hidden_at(model, rows, places)).float()
            tokens = torch.cat([row[1:] for row in rows]).to(logits.device)
            costs.append(-chosen_log_p(logits, tokens).cpu())
            hits.append((logits.argmax(-1) == tokens).cpu())
    return torch.cat(costs), torch.cat(hits)


def _filled(model: nn.Module, loaded: LoadedModel, unseen: HeldOut) -> list[str]:
    prompts = [_prompt(loaded, hole.cut) for hole in unseen.holes]
    said = greedy(model, prompts, [LINE_TOKENS] * len(prompts), loaded.stops)
    return [loaded.codec.decode(ids).split("\n", 1)[0].rstrip() for ids in said]


def _prompt(loaded: LoadedModel, cut: Cut) -> list[int]:
    before = cut.prefix[-PREFIX_CHARS:]
    if len(before) < len(cut.prefix):
        before = before[before.find("\n") + 1 :]
    form = "left_to_right" if loaded.fim is None else "fim"
    return prompt_tokens(loaded, before, cut.suffix[:SUFFIX_CHARS], form, 512)
