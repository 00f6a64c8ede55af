"""What the model should say instead: PROD's edit of the base's own distribution, in float32."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

HEAD = 256
"""So many of the most probable tokens are looked at first: sorting a vocabulary takes long."""
LOWEST = -1e4
"""Logits are clamped here, so that a base that is certain still has a tail to fall back on."""


class Sculpted(NamedTuple):
    """Target distributions, sparse: only the tokens of each nucleus."""

    ids: Tensor
    """(positions, kept) token ids; columns of mass zero are padding."""
    mass: Tensor
    """(positions, kept) probabilities, float32; each row sums to 1."""


def prod_target(
    logits: Tensor,
    forbidden: Tensor,
    top_p: float = 0.8,
    *,
    wanted: Tensor | None = None,
    scarce: float = 0.0,
    temperature: float = 1.0,
) -> Tensor:
    """The base's distribution without its forbidden tokens: (positions, vocab) float32.

    logits (positions, vocab) of the base; forbidden (positions, vocab) bool, the union over all
    items that share the context. "Large Language Model Unlearning for Source Code" (PROD), steps
    1 to 3: forbidden logits to minus infinity, then the nucleus of what is left, then softmax.
    Where less than `scarce` of the mass is left, that tail is mostly rounding: the target is the
    tokens in wanted (positions, vocab) bool if there are any, else the tail at `temperature`.
    A row whose whole vocabulary is forbidden has no target and gives NaN.
    """
    z = logits.float().clamp(min=LOWEST)
    is_scarce = remaining_mass(z, forbidden) < scarce
    tail = z.masked_fill(forbidden, -torch.inf)
    tail = torch.where(is_scarce[:, None], tail / temperature, tail)
    target = nucleus(tail.softmax(-1), top_p)
    if wanted is None:
        return target
    instead = (wanted & ~forbidden).float()
    use = is_scarce & (instead.sum(-1) > 0)
    return torch.where(use[:, None], instead / instead.sum(-1, keepdim=True).clamp(min=1), target)


def remaining_mass(logits: Tensor, forbidden: Tensor) -> Tensor:
    """(positions,) probability of everything that is not forbidden; exact also near zero."""
    p = logits.float().clamp(min=LOWEST).softmax(-1)
    return p.masked_fill(forbidden, 0.0).sum(-1)


def nucleus(p: Tensor, top_p: float) -> Tensor:
    """p (positions, vocab), cut to the smallest set of tokens reaching `top_p`, renormalised."""
    for width in (min(HEAD, p.shape[-1]), p.shape[-1]):  # nearly always the head is enough
        ordered, order = p.topk(width, dim=-1)
        before = ordered.cumsum(-1) - ordered
        if bool((before[:, -1] >= top_p).all()):
            break
    # the comparison is with the mass *before* a token, so the first one always stays
    kept = torch.zeros_like(p).scatter(-1, order, ordered * (before < top_p))
    return kept / kept.sum(-1, keepdim=True)


def sparse(target: Tensor) -> Sculpted:
    """A dense target (positions, vocab) as ids and mass, as wide as its widest nucleus."""
    if not len(target):
        empty = target.new_zeros(0, 1)
        return Sculpted(empty.long(), empty)
    width = max(1, int((target > 0).sum(-1).max()))
    mass, ids = target.topk(width, dim=-1)
    return Sculpted(ids, mass)


def one_hot(choices: list[tuple[int, ...]], vocabulary: int) -> Tensor:
    """(positions, vocab) bool: the ids named for each position."""
    mask = torch.zeros(len(choices), vocabulary, dtype=torch.bool)
    for row, ids in enumerate(choices):
        mask[row, list(ids)] = True
    return mask
