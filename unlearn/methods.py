"""The unlearning methods: each one is a function of tensors, found by name in `METHODS`.

None of them knows models, adapters or the ledger. Smaller is better for every loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.errors import UnknownMethod
from unlearn.targets import Sculpted


@dataclass(frozen=True)
class Weights:
    """Weights of the terms beside the forget term."""

    ascent: float = 0.15
    """nu: ascent on a forbidden token that is still above its floor."""
    anchor: float = 1.0
    """lambda: KL to the base on an item's other positions."""
    replacement: float = 1.0
    """mu: cross-entropy on the replacement."""
    retain: float = 1.0
    """rho: KL to the base on the retain set."""


@dataclass(frozen=True)
class Scored:
    """The scored positions of a batch, one row each: the only ones with logits."""

    logits: Tensor
    """(positions, vocab) of the model in training."""
    base: Tensor
    """(positions, vocab) of the same weights with the adapter off; no gradient."""
    tokens: Tensor
    """(positions,) id of the token that stands there."""
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


Loss = Callable[[Scored, "Retained | None", Weights], Tensor]


@dataclass(frozen=True)
class Retained:
    """Positions of the retain set, one row each."""

    logits: Tensor
    """(positions, vocab) of the model in training."""
    base: Tensor
    """(positions, vocab) with the adapter off; no gradient."""


@dataclass(frozen=True)
class Method:
    """One row of the table."""

    loss: Loss
    is_masked: bool
    """Whether only the blamed span is pushed, or every token of the target."""
    needs_retain: bool
    """Whether the loss uses the retain set."""


def ga(items: Scored, retain: Retained | None, weights: Weights) -> Tensor:
    """Gradient ascent: mean over y of log p(y_t), every token of the target.

    "Large Language Model Unlearning" (Yao et al.); the first baseline of PROD and CodeEraser.
    Unbounded below: only per-item stopping ends it.
    """
    return masked_mean(chosen_log_p(items.logits, items.tokens), items.pushed)


def selective_ga(items: Scored, retain: Retained | None, weights: Weights) -> Tensor:
    """Ascent on the secret, descent on its context, KL away from and close to the base.

    CodeEraser, "Scrub It Out!", Eq. 11: [-LM(s) + gamma LM(c)] + lambda [-KL(p || p0 on s)
    + alpha KL(p || p0 on retain)], gamma 0.5, lambda 0.1, alpha 1. Against its code: the mask
    overlaps strictly, padding counts nowhere, and every term is a mean over its own tokens.
    """
    log_p = chosen_log_p(items.logits, items.tokens)
    loss = masked_mean(log_p, items.pushed) - 0.5 * masked_mean(log_p, items.others)
    loss = loss - 0.1 * masked_mean(kl(items.logits, items.base), items.pushed)
    if retain is not None:
        loss = loss + 0.1 * kl(retain.logits, retain.base).mean()
    return loss


def prod(items: Scored, retain: Retained | None, weights: Weights) -> Tensor:
    """PROD as published: CE(q_t, p_t) on every token of the target, alpha 0.

    "Large Language Model Unlearning for Source Code", section on PROD; q_t is
    `unlearn.targets.prod_target` with no fall-back. Against its code: prompt and padding are not
    unlearned, the nucleus is taken after the edit, log-softmax in float32.
    """
    return every_row_mean(sculpted_ce(items.logits[items.pushed], items.target))


def span_prod(items: Scored, retain: Retained | None, weights: Weights) -> Tensor:
    """Span-masked PROD, ours: PROD's target on the blamed positions only, all else held.

    mean_t w_t [CE(q_t, p_t) + nu max(0, log p_t(forbidden) - log floor_t)], over the pushed t with
    p_t(forbidden) >= floor_t, + lambda KL(p0 || p) on the item's other positions + mu CE on the
    replacement + rho KL(p0 || p) on the retain set. PROD's target with CodeEraser's mask
    (DESIGN.md). PROD's own push fades with p_t, so that the last tenth takes most of the time;
    the nu term, ascent that ends at the floor, does not fade.
    """
    pushed = items.logits[items.pushed]
    p = forbidden_p(pushed, items.forbidden)
    share = items.weight * (p.detach() >= items.floor)
    above = (p.clamp(min=1e-9).log() - items.floor.log()).clamp(min=0)
    push = sculpted_ce(pushed, items.target) + weights.ascent * above
    held = masked_mean(kl(items.base, items.logits), items.others)
    wanted = masked_mean(-chosen_log_p(items.logits, items.tokens), items.wanted)
    loss = (push * share).sum() / share.sum().clamp(min=1e-9)
    loss = loss + weights.anchor * held + weights.replacement * wanted
    if retain is not None:
        loss = loss + weights.retain * kl(retain.base, retain.logits).mean()
    return loss


METHODS: dict[str, Method] = {
    "ga": Method(ga, is_masked=False, needs_retain=False),
    "selective_ga": Method(selective_ga, is_masked=True, needs_retain=True),
    "prod": Method(prod, is_masked=False, needs_retain=False),
    "span_prod": Method(span_prod, is_masked=True, needs_retain=True),
}


def method(name: str) -> Method:
    """The method of that name; raises UnknownMethod."""
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownMethod(name, sorted(METHODS)) from None


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
    """(positions,) KL(of || to) of two sets of logits (positions, vocab), float32."""
    of_log, to_log = of.float().log_softmax(-1), to.float().log_softmax(-1)
    return (of_log.exp() * (of_log - to_log)).sum(-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (positions,) where mask; zero, with a gradient of zero, over none."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)


def every_row_mean(values: Tensor) -> Tensor:
    """Mean of values (rows,); zero, with a gradient of zero, over none."""
    return values.sum() / max(1, len(values))
