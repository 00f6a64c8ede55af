"""Whether what was forgotten comes back when somebody trains the adapter on, on harmless code."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.unlearning.asked import ask, comes_out
from benchmarks.unlearning.attacks import quality
from benchmarks.unlearning.measure import Ground
from server.engine.load import LoadedModel
from store.records import Item
from unlearn.forward import hidden_at, project
from unlearn.lora import Student
from unlearn.scored import chosen_log_p
from unlearn.scores import memorization_accuracy, target_probability

STEPS = (0, 20, 50)
"""Measured after so many steps, as "Jogging the Memory of Unlearned LLMs" has it."""
RATE = 3e-4
BATCH = 8


@dataclass(frozen=True)
class Relearned:
    """How the items stand after some harmless steps; means over them."""

    steps: int
    forget_quality: float
    probability: float
    accuracy: float
    leaking: float
    """Share that comes out greedily, as it is served."""


def relearning(
    student: Student,
    loaded: LoadedModel,
    items: Sequence[Item],
    base: Ground,
    rows: Sequence[Tensor],
    *,
    seed: int = 0,
) -> tuple[Relearned, ...]:
    """Train the adapter on `rows` (time,) of harmless code and look after each of STEPS.

    The adapter is put back as it was.
    """
    chance = random.Random(seed)
    weights = student.parameters()
    before = [weight.detach().clone() for weight in weights]
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0)
    found: list[Relearned] = []
    try:
        for step in range(STEPS[-1] + 1):
            if step in STEPS:
                found.append(_look(student, loaded, items, base, step))
            if step < STEPS[-1]:
                _step(student, optimiser, chance.sample(list(rows), min(BATCH, len(rows))))
    finally:
        with torch.no_grad():
            for weight, old in zip(weights, before, strict=True):
                weight.copy_(old)
    return tuple(found)


def _step(student: Student, optimiser: torch.optim.Optimizer, rows: Sequence[Tensor]) -> None:
    places = [torch.arange(1, len(row)) for row in rows]
    logits = project(student.model, hidden_at(student.model, rows, places))
    tokens = torch.cat([row[1:] for row in rows]).to(logits.device)
    optimiser.zero_grad()
    torch.autograd.backward(-chosen_log_p(logits, tokens).mean())
    optimiser.step()


def _look(
    student: Student, loaded: LoadedModel, items: Sequence[Item], base: Ground, step: int
) -> Relearned:
    heard = ask(student.model, loaded, items)
    return Relearned(
        steps=step,
        forget_quality=statistics.fmean(
            quality(one.answer, one.place.target, base.unrelated) for one in heard
        ),
        probability=statistics.fmean(target_probability(one.log_p) for one in heard),
        accuracy=statistics.fmean(memorization_accuracy(one.is_first) for one in heard),
        leaking=statistics.fmean(comes_out(one.place.item, one.answer.text) for one in heard),
    )
