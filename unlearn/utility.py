"""Whether the candidate still predicts everything else as the base does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unlearn.forward import hidden_at, length_sorted, project
from unlearn.paired import ERROR, Finding, Rise, error_of_night, relative_rise
from unlearn.scored import chosen_log_p, kl

BATCH_TOKENS = 4096
LOOKS = (8, 4, 2, 1)
"""The gate looks at an eighth of its sequences, then at more until it can tell."""


@dataclass(frozen=True)
class Drift:
    """Paired figures over the held-out sequences, in nats per token."""

    loss_before: float
    """The base's."""
    loss_after: float
    rise: float
    """Relative."""
    low: float
    high: float
    """The rise's 95 % confidence interval, over sequences."""
    divergence: float
    """Mean KL(base || candidate)."""
    tokens: int
    sequences: int
    detectable: float
    """The smallest true rise told from none, one-sided 5 %, power 80 %."""


@dataclass(frozen=True)
class Compared:
    """Sums over the tokens of each sequence, in their order."""

    before: tuple[float, ...] = ()
    """Loss under the base."""
    after: tuple[float, ...] = ()
    apart: tuple[float, ...] = ()
    """KL(base || candidate)."""
    sizes: tuple[int, ...] = ()

    def and_also(self, more: Compared) -> Compared:
        return Compared(
            self.before + more.before,
            self.after + more.after,
            self.apart + more.apart,
            self.sizes + more.sizes,
        )

    @property
    def rise(self) -> Rise:
        return relative_rise(self.before, self.after)

    @property
    def drift(self) -> Drift:
        rise, tokens = self.rise, sum(self.sizes)
        return Drift(
            loss_before=sum(self.before) / tokens,
            loss_after=sum(self.after) / tokens,
            rise=rise.estimate,
            low=rise.low(0.025),
            high=rise.high(0.025),
            divergence=sum(self.apart) / tokens,
            tokens=tokens,
            sequences=rise.pairs,
            detectable=rise.detectable,
        )


def drift(base: Any, candidate: Any, rows: Sequence[Tensor]) -> Drift:
    """Compare two models, token by token, on the same sequences."""
    return compared(base, candidate, rows).drift


def settled_drift(
    base: Any, candidate: Any, rows: Sequence[Tensor], budget: float, night: int
) -> tuple[Drift, Finding]:
    """Compare on so many of `rows` as it takes to tell whether the rise keeps to `budget`.

    The errors are split evenly over LOOKS, so that looking again is paid for; that of passing
    wrongly is what `error_of_night` allows the candidate number `night`.
    """
    so_far = Compared()
    passed, blocked = (error / len(LOOKS) for error in (error_of_night(night), ERROR))
    found: Finding = "undecided"
    for part in LOOKS:
        end = -(-len(rows) // part)
        so_far = so_far.and_also(compared(base, candidate, rows[len(so_far.sizes) : end]))
        found = so_far.rise.against(budget, wrongly_passed=passed, wrongly_blocked=blocked)
        if found != "undecided":
            break
    return so_far.drift, found


def compared(base: Any, candidate: Any, rows: Sequence[Tensor]) -> Compared:
    """Score `rows`, each (time,) ids, with both models."""
    sums: dict[int, tuple[float, float, float]] = {}
    with torch.no_grad():
        for batch in length_sorted([len(row) for row in rows], BATCH_TOKENS):
            chosen = [rows[i] for i in batch]
            places = [torch.arange(1, len(row)) for row in chosen]
            z0, z1 = (
                project(model, hidden_at(model, chosen, places)).float()
                for model in (base, candidate)
            )
            tokens = torch.cat([row[1:] for row in chosen]).to(z0.device)
            values = torch.stack([-chosen_log_p(z0, tokens), -chosen_log_p(z1, tokens), kl(z0, z1)])
            parts = torch.split(values.double(), [len(place) for place in places], dim=1)
            for i, part in zip(batch, parts, strict=True):
                before, after, apart = (float(total) for total in part.sum(1))
                sums[i] = (before, after, apart)
    ordered = [sums[i] for i in range(len(rows))]
    return Compared(
        before=tuple(before for before, _, _ in ordered),
        after=tuple(after for _, after, _ in ordered),
        apart=tuple(apart for _, _, apart in ordered),
        sizes=tuple(len(row) - 1 for row in rows),
    )
