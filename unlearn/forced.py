"""Teacher-forced figures: how much of its blamed text an item's sequences still lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unlearn.forward import hidden_at, length_sorted, project
from unlearn.probes import TEMPERATURE
from unlearn.scored import chosen_log_p, forbidden_p
from unlearn.teacher import BATCH_TOKENS, Lesson


@dataclass(frozen=True)
class Forced:
    """The figures of one item, the worst over its forms and cursors."""

    probability: float
    """Of the most probable forbidden token."""
    accuracy: float
    """Memorization accuracy: share of pushed positions whose own token is the first choice."""
    strength: float
    """Extraction strength: share of the pushed span that greedy decoding completes by itself."""
    by_chance: float | None = None
    """Exact probability that one sample says all pushed tokens in a row, where samples only count;
    None where the item's text is destroyed, so that there is no such span."""


def forced(
    model: Any, lessons: Sequence[Lesson], temperature: float = TEMPERATURE
) -> dict[str, Forced]:
    """By item that has something to push; `model` is a transformers module in the form in which it
    is served, sampled at `temperature`."""
    found: dict[str, Forced] = {}
    pushed = [lesson for lesson in lessons if lesson.pushed.any()]
    with torch.no_grad():
        for batch in length_sorted([len(lesson.ids) for lesson in pushed], BATCH_TOKENS):
            chosen = [pushed[i] for i in batch]
            rows, places = [c.ids for c in chosen], [c.positions[c.pushed] for c in chosen]
            logits = project(model, hidden_at(model, rows, places)).float().cpu()
            for lesson, part in zip(
                chosen, torch.split(logits, [len(place) for place in places]), strict=True
            ):
                item, figures = lesson.example.item, _figures(lesson, part, temperature)
                found[item] = _worse(found[item], figures) if item in found else figures
    return found


def _figures(lesson: Lesson, logits: Tensor, temperature: float) -> Forced:
    best = logits.argmax(-1)
    # a forbidden token of another item in the same context is as bad as one's own
    hits = (lesson.forbidden == best[:, None]).any(-1)
    misses = (~hits).nonzero()
    tail = len(hits) if not len(misses) else len(hits) - 1 - int(misses[-1])
    p = forbidden_p(logits, lesson.forbidden)
    by_chance = None
    if lesson.example.kept is None:
        tokens = lesson.ids[lesson.positions[lesson.pushed]]
        by_chance = float(chosen_log_p(logits / temperature, tokens).sum().exp())
    return Forced(float(p.max()), float(hits.float().mean()), tail / len(hits), by_chance)


def _worse(one: Forced, other: Forced) -> Forced:
    chances = [c for c in (one.by_chance, other.by_chance) if c is not None]
    return Forced(
        max(one.probability, other.probability),
        max(one.accuracy, other.accuracy),
        max(one.strength, other.strength),
        max(chances, default=None),
    )
