"""How probable it is that sampling says a whole blamed span: exact, where samples only count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from unlearn.forward import hidden_at, length_sorted, project
from unlearn.probes import TEMPERATURE
from unlearn.scored import chosen_log_p
from unlearn.teacher import BATCH_TOKENS, Lesson


def said_by_chance(
    model: Any, lessons: Sequence[Lesson], temperature: float = TEMPERATURE
) -> dict[str, float]:
    """By item, the probability that one sample says all pushed tokens of a lesson in a row.

    The worst over an item's forms and cursors. An item whose text is destroyed has no such span,
    and is not in the answer.
    """
    found: dict[str, float] = {}
    known = [k for k in lessons if k.example.kept is None and bool(k.pushed.any())]
    with torch.no_grad():
        for batch in length_sorted([len(lesson.ids) for lesson in known], BATCH_TOKENS):
            chosen = [known[i] for i in batch]
            rows, places = [k.ids for k in chosen], [k.positions[k.pushed] for k in chosen]
            logits = project(model, hidden_at(model, rows, places)).float()
            tokens = torch.cat([row[t] for row, t in zip(rows, places, strict=True)])
            log_p = chosen_log_p(logits / temperature, tokens.to(logits.device))
            for lesson, part in zip(
                chosen, torch.split(log_p, [len(place) for place in places]), strict=True
            ):
                item = lesson.example.item
                found[item] = max(found.get(item, 0.0), float(part.sum().exp()))
    return found
