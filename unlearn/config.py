"""The settings of a refresh, validated once."""

from __future__ import annotations

from dataclasses import dataclass

from store.records import RunMode
from unlearn.methods import METHODS, Weights, method

HALVINGS = 3
"""So often the weight of the retain set falls by half: what still resists then has to be forgotten
at that price, or the gate says that it was not."""


@dataclass(frozen=True)
class RefreshConfig:
    """How a refresh trains and what its gate demands."""

    method: str = "span_prod"
    """A name in `unlearn.methods.METHODS`."""
    mode: RunMode = "incremental"
    """`incremental` goes on from the serving generation, `rebuild` starts from the base."""
    learning_rate: float = 1.5e-3
    """AdamW's rate. A higher one ends sooner and takes more from the rest."""
    aims: bool = True
    """Whether a new adapter begins to act where what is forgotten differs from what stays."""
    warmup_updates: int = 3
    """Over so many updates the rate rises to its full height."""
    top_p: float = 0.8
    """Mass of the nucleus kept in a sculpted target, once the forbidden tokens are out."""
    ascent: float = 0.15
    """Weight of the ascent on forbidden tokens that are still above their floor (nu)."""
    anchor: float = 4.0
    """Weight of KL(base || p) on the unblamed positions of an item (lambda)."""
    replacement: float = 1.0
    """Weight of the cross-entropy on a replacement's tokens, where an item has one (mu)."""
    retain: float = 20.0
    """Weight of KL(base || p) on the retain set (rho), while at most `few_items` are left."""
    few_items: int = 6
    """While more items than this are left, rho is smaller in proportion: the push is their mean, so
    each of them weighs less against what holds the rest."""
    patience: int = 24
    """After so many updates, more for more than `few_items`, rho begins to fall, by half in as
    many: what still resists is forgotten in the end, and the gate decides about the price."""
    tau: float = 0.02
    """An item's first blamed positions are left alone while their forbidden tokens are less
    probable than this."""
    later_tau: float = 0.1
    """The same for the positions after them, which nobody reaches by a likely path."""
    ease: float = 4.0
    """At the end the adapter is shortened as far as no forbidden token rises above so many times
    its floor; with 1 it is not. What has risen no higher is not trained on again."""
    first_blamed: int = 4
    """How many blamed positions are the first ones: always pushed, forced syntax or not."""
    scarce: float = 0.02
    """With less mass than this beside the forbidden tokens, punctuation counts as forced syntax."""
    stops_per_item: bool = True
    """Whether an item leaves the training once it is forgotten; if not, all stay to the end."""
    max_updates: int = 256
    """Optimiser steps at most. A training that ends by itself is shortened then; one that is cut
    off leaves some of what was forgotten before risen, and costs the rest more."""
    max_seconds: float = 1800.0
    """Training stops after this long; the gate then judges what there is."""
    checkpoint_seconds: float = 30.0
    """So often a training is kept on the disk, so that a killed one goes on where it was."""
    batch_examples: int = 16
    """Sequences of items in one update."""
    retain_examples: int = 6
    """Sequences in one update that are held to the base."""
    lookalike_examples: int = 2
    """So many of them are places like a secret's, where there are any; half of them at most."""
    retain_size: int = 256
    """Sequences in the retain set, others each night. Few, or the same, are learned by heart: with
    the same 64 an adapter was twice as far from the base on unseen code as on them."""
    lookalikes: int = 192
    """The base is asked in so many places like a secret's; with 0 nothing of them is held."""
    held_out: int = 512
    """Sequences for the gate, which looks at an eighth, then at more while that cannot tell."""
    rehearsal: int = 64
    """How many forgotten items that are not secrets are trained along; secrets all are."""
    context_tokens: int = 512
    """Longest prompt in training and probing."""
    seed: int = 0
    """Of every random choice; equal seeds and inputs give equal adapters on one machine's CPU."""
    deterministic: bool = False
    """The same on an accelerator: only kernels that repeat themselves bit for bit, some slower.
    CUDA wants CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment for it, and says so."""
    leak_samples: int = 16
    """Sampled suggestions per secret in the gate (leak@k)."""
    sampled_items: int = 16
    """At most so many items are sampled from; new ones first."""
    forgotten_share: float = 0.75
    """The gate blocks a candidate that forgot a smaller share of the items it had to forget."""
    probability_limit: float = 0.1
    """An item that is no secret is forgotten only if one sample says all of its blamed text with
    no more than this probability; for a secret the gate's limit is leak@16 of 1 %."""
    utility_budget: float = 0.01
    """Allowed relative rise of the held-out loss against the base."""

    def __post_init__(self) -> None:
        method(self.method)
        for name in ("learning_rate", "tau", "later_tau", "top_p", "max_seconds", "utility_budget"):
            _demand(getattr(self, name) > 0, f"{name} must be positive")
        for name in ("top_p", "tau", "later_tau", "scarce", "forgotten_share", "probability_limit"):
            _demand(0 <= getattr(self, name) <= 1, f"{name} must lie between 0 and 1")
        for name in ("ascent", "anchor", "replacement", "retain"):
            _demand(getattr(self, name) >= 0, f"{name} must not be negative")
        for name in (
            "max_updates",
            "batch_examples",
            "retain_examples",
            "retain_size",
            "held_out",
            "few_items",
            "patience",
        ):
            _demand(getattr(self, name) >= 1, f"{name} must be at least 1")
        _demand(self.context_tokens >= 32, "context_tokens must be at least 32")
        for name in (
            "warmup_updates",
            "lookalikes",
            "lookalike_examples",
            "rehearsal",
            "leak_samples",
            "sampled_items",
            "first_blamed",
            "seed",
        ):
            _demand(getattr(self, name) >= 0, f"{name} must not be negative")

    def weights(self, items: int, items_left: int, updates: int) -> Weights:
        """Of the terms of the loss after so many updates, while so many of the items that were to
        be forgotten are left."""
        rho = self.retain * min(1.0, self.few_items / max(1, items_left))
        patience = self.patience * max(1.0, items / self.few_items)
        rho *= 0.5 ** min(max(0.0, updates / patience - 1), HALVINGS)
        return Weights(self.ascent, self.anchor, self.replacement, rho)

    @property
    def pushes_everything(self) -> bool:
        """Whether the method works on the whole target and not on the blamed span."""
        return not METHODS[self.method].is_masked


def _demand(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(f"refresh settings: {sentence}")
