"""Which items a model says by heart, and dealing those out to the parts of a task."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.unlearning.generate import greedy
from server.engine.load import LoadedModel
from store.records import Item
from unlearn.prompts import prompt_tokens, text_tokens

SEED = 41
CONTEXT_TOKENS = 512


@dataclass(frozen=True)
class Sizes:
    """Items in each part of a task, at most."""

    forget: int = 28
    tuning: int = 10
    neighbours: int = 12
    controls: int = 20


def said_by_heart(loaded: LoadedModel, items: Sequence[Item]) -> list[Item]:
    """Those whose target comes out whole: greedily, in the served form.

    As the engine decodes with rounded weights where it is faster, one in a hundred may still
    differ there.
    """
    targets = [item.target or "" for item in items]
    prompts = [
        prompt_tokens(loaded, item.prefix or "", item.suffix or "", "fim", CONTEXT_TOKENS)
        for item in items
    ]
    limits = [len(text_tokens(loaded, target)[0]) + 2 for target in targets]
    said = greedy(loaded.model, prompts, limits, loaded.stops)
    return [
        item
        for item, target, ids in zip(items, targets, said, strict=True)
        if loaded.codec.decode(ids).startswith(target)
    ]


def dealt(items: Sequence[Item], sizes: Sizes) -> tuple[tuple[Item, ...], ...]:
    """Items to forget, for tuning and as neighbours, drawn at random but always the same.

    With fewer items than asked for, each part gets its share of what there is.
    """
    drawn = random.Random(SEED).sample(list(items), len(items))
    wanted = (sizes.forget, sizes.tuning, sizes.neighbours)
    share = min(1.0, len(drawn) / sum(wanted))
    parts: list[tuple[Item, ...]] = []
    for size in wanted:
        count = int(size * share)
        parts.append(tuple(drawn[:count]))
        drawn = drawn[count:]
    return tuple(parts)
