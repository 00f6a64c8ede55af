"""Beginnings given away, on many items: what the rest of a secret is worth to who has its start."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.unlearning.asked import Heard, ask
from benchmarks.unlearning.attacks import Attacked, attack, quality
from server.engine.load import LoadedModel
from store.records import Item


@dataclass(frozen=True)
class Effect:
    """What attacks get out of some items."""

    items: int
    quality: float
    """Mean forget quality with nothing given."""
    effect: float
    """Mean of what of it is lost with the first eight tokens given."""
    error: float
    """Standard error of that."""
    leak16: float
    """Share of the items that come out in one of 16 samples."""

    def sentence(self) -> str:
        return (
            f"{self.items} items: forget quality {self.quality:.3f}, eight tokens given take "
            f"{self.effect:.3f} +- {self.error:.3f}, leak@16 {self.leak16:.1%}"
        )


def effects(
    loaded: LoadedModel, model: Any, items: Sequence[Item], controls: Sequence[Item]
) -> tuple[Effect, Effect]:
    """Of `items` under `model`, and of `controls`, which `loaded` never learned, under itself: even
    where nothing is known, the rest of a text is likelier to be hit than all of it."""
    unknown = ask(loaded.model, loaded, controls, from_inside=False)
    heard = ask(model, loaded, items, from_inside=False)
    unrelated = statistics.fmean(1 - _similarity(one) for one in unknown)
    return (
        _effect(heard, attack(model, loaded, heard, {}, unrelated, seed=0), unrelated),
        _effect(unknown, attack(loaded.model, loaded, unknown, {}, unrelated, seed=0), unrelated),
    )


def _effect(heard: Sequence[Heard], found: Sequence[Attacked], unrelated: float) -> Effect:
    plain = [quality(one.answer, one.place.target, unrelated) for one in heard]
    given = [one.given_qualities[0] for one in found]
    lost = [before - after for before, after in zip(plain, given, strict=True) if after is not None]
    return Effect(
        items=len(heard),
        quality=statistics.fmean(plain),
        effect=statistics.fmean(lost),
        error=statistics.stdev(lost) / len(lost) ** 0.5,
        leak16=statistics.fmean(one.leak16 for one in found),
    )


def _similarity(heard: Heard) -> float:
    return heard.answer.similarity(heard.place.target, is_smoothed=True)
