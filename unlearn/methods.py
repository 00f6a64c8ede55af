"""The unlearning methods by name: a loss, and what of an item it works on.

A loss is a function of tensors (`unlearn.published`, and ours below); smaller is better. None
knows models, adapters or the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from unlearn import published
from unlearn.errors import UnknownMethod
from unlearn.scored import (
    Retained,
    Scored,
    chosen_log_p,
    forbidden_p,
    kl,
    masked_mean,
    mean,
    sculpted_ce,
)


@dataclass(frozen=True)
class Weights:
    """Weights of the terms beside the forget term of span-masked PROD."""

    ascent: float = 0.15
    """nu: ascent on a forbidden token that is still above its floor."""
    anchor: float = 4.0
    """lambda: KL to the base on an item's other positions."""
    replacement: float = 1.0
    """mu: cross-entropy on the replacement."""
    retain: float = 20.0
    """rho: KL to the base on the retain set."""


Loss = Callable[[Scored, Retained | None, Weights], Tensor]

Answer = Literal["none", "replacement", "always"]
"""What is said instead: nothing is, an item's replacement where there is one, or else a refusal."""


@dataclass(frozen=True)
class Method:
    """One row of the table."""

    loss: Loss
    is_masked: bool
    """Whether only the blamed span is pushed, or every token of the target."""
    needs_retain: bool
    """Whether the loss uses the retain set."""
    reads_base: bool = False
    """Whether it reads what the base says of an item."""
    reads_others: bool = False
    """Whether it reads an item's other positions: neither pushed nor wanted."""
    answer: Answer = "none"
    """Which other sequences it learns from."""


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
        loss = loss + weights.retain * mean(kl(retain.base, retain.logits))
    return loss


def _as_published(
    loss: Callable[[Scored, Retained | None], Tensor],
    *,
    needs_retain: bool = False,
    reads_base: bool = False,
    answer: Answer = "none",
) -> Method:
    """A published method on the whole target; its weights are its paper's, not ours."""
    return Method(
        lambda items, retain, _: loss(items, retain),
        is_masked=False,
        needs_retain=needs_retain,
        reads_base=reads_base,
        answer=answer,
    )


_WHOLE = {
    "ga": _as_published(published.ga),
    "ga_gd": _as_published(published.ga_gd, needs_retain=True),
    "ga_kl": _as_published(published.ga_kl, needs_retain=True),
    "npo": _as_published(published.npo, reads_base=True),
    "dpo": _as_published(published.dpo, reads_base=True, answer="always"),
    "flat": _as_published(published.flat, answer="always"),
    "prod": _as_published(published.prod),
    "simnpo": _as_published(published.simnpo, needs_retain=True),
    "undial": _as_published(published.undial, reads_base=True),
    "ce_u": _as_published(published.ce_u),
    "wga": _as_published(published.wga, needs_retain=True),
}
"""Published methods that work on the whole target."""

_ERASER = _as_published(published.selective_ga, needs_retain=True, reads_base=True)

METHODS: dict[str, Method] = {
    "span_prod": Method(
        span_prod,
        is_masked=True,
        needs_retain=True,
        reads_base=True,
        reads_others=True,
        answer="replacement",
    ),
    "selective_ga": replace(_ERASER, is_masked=True, reads_others=True),
    **_WHOLE,
    # not published: the same losses on the blamed span alone, to tell the mask from the loss
    **{f"{name}_on_span": replace(row, is_masked=True) for name, row in _WHOLE.items()},
}


def method(name: str) -> Method:
    """The method of that name; raises UnknownMethod."""
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownMethod(name, sorted(METHODS)) from None
