"""What a loss sees: the scored positions of a batch, and the arithmetic on them, in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unlearn.targets import Sculpted

linalg: Any = torch.linalg  # does not state its types


@dataclass(frozen=True)
class Scored:
    """The scored positions of a batch, one row each: the only ones with logits."""

    logits: Tensor
    """(positions, vocab) of the model in training."""
    base: Tensor
    """(positions, vocab) of the same weights with the adapter off; no gradient, and no rows for a
    method that reads none."""
    tokens: Tensor
    """(positions,) id of the token that stands there."""
    sequence: Tensor
    """(positions,) number of the sequence; a replacement's is that of what it replaces."""
    pushed: Tensor
    """(positions,) bool: to be forgotten."""
    wanted: Tensor
    """(positions,) bool: tokens of a replacement, to be learned."""
    forbidden: Tensor
    """(pushed, width) ids that may not be said there, for each pushed row in order; padded by
    repetition."""
    target: Sculpted
    """What should be said instead, for each pushed row in order."""
    weight: Tensor
    """(pushed,) weight of each pushed row."""
    floor: Tensor
    """(pushed,) a row whose forbidden tokens are less probable than this is left alone."""

    @property
    def others(self) -> Tensor:
        """(positions,) bool: neither pushed nor wanted."""
        return ~(self.pushed | self.wanted)


@dataclass(frozen=True)
class Retained:
    """Positions of the retain set, one row each."""

    logits: Tensor
    """(positions, vocab) of the model in training."""
    base: Tensor
    """(positions, vocab) with the adapter off; no gradient."""
    tokens: Tensor
    """(positions,) id of the token that stands there."""


def chosen_log_p(logits: Tensor, tokens: Tensor) -> Tensor:
    """(positions,) log p of tokens (positions,) under logits (positions, vocab), float32."""
    z = logits.float()
    return z.gather(-1, tokens[:, None]).squeeze(-1) - z.logsumexp(-1)


def forbidden_p(logits: Tensor, forbidden: Tensor) -> Tensor:
    """(positions,) probability of the most probable of forbidden (positions, width) ids."""
    z = logits.float()
    return (z.gather(-1, forbidden) - z.logsumexp(-1, keepdim=True)).amax(-1).exp()


def sculpted_ce(logits: Tensor, target: Sculpted) -> Tensor:
    """(positions,) - sum_w q(w) log p(w), touching only the nucleus: logsumexp minus a gather."""
    z = logits.float()
    return target.mass.sum(-1) * z.logsumexp(-1) - (target.mass * z.gather(-1, target.ids)).sum(-1)


def kl(of: Tensor, to: Tensor) -> Tensor:
    """(positions,) KL(of || to) of two sets of logits (positions, vocab), float32.

    As sum_w p(w) = 1, both logarithms leave the sum as a logsumexp each: fewer passes over a
    vocabulary, a gradient that is q - p exactly, and zero where the two are equal.
    """
    a, b = of.float(), to.float()
    apart: Tensor = linalg.vecdot(a.softmax(-1), a - b)
    return apart - a.logsumexp(-1) + b.logsumexp(-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (positions,) where mask; zero, with a gradient of zero, over none."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)


def mean(values: Tensor) -> Tensor:
    """Mean of values (rows,); zero, with a gradient of zero, over none."""
    return values.sum() / max(1, len(values))


def sequence_sums(values: Tensor, mask: Tensor, sequence: Tensor) -> Tensor:
    """(sequences,) sums of values (positions,) where mask, by their number in sequence
    (positions,)."""
    count = int(sequence.max()) + 1 if len(sequence) else 0
    return values.new_zeros(count).index_add(0, sequence, torch.where(mask, values, 0.0))
