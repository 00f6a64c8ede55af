"""The rows of the store as frozen records; what each field means is said below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["secret", "deprecated", "insecure", "licensed", "forgotten", "user"]
KINDS: tuple[Kind, ...] = ("secret", "deprecated", "insecure", "licensed", "forgotten", "user")

Action = Literal["blocked", "patched", "warned"]

Fate = Literal["shown", "accepted", "partly_accepted", "typed_through", "rejected", "retained"]
FATES: tuple[Fate, ...] = (
    "shown",
    "accepted",
    "partly_accepted",
    "typed_through",
    "rejected",
    "retained",
)

ItemState = Literal["banned", "forgotten", "relapsed", "withdrawn"]
ITEM_STATES: tuple[ItemState, ...] = ("banned", "forgotten", "relapsed", "withdrawn")

Origin = Literal["guard", "person", "import"]

AdapterState = Literal["candidate", "rejected", "passed"]

RunMode = Literal["incremental", "rebuild"]
RunState = Literal["running", "promoted", "rejected", "failed", "nothing_to_do"]
RunPhase = Literal["select", "teacher", "train", "gate", "promote"]

BASE = "base"
"""The name of the generation that is the model with no adapter."""


@dataclass(frozen=True)
class Suggestion:
    """Text the engine proposed at a cursor. Its prefix and suffix are never stored."""

    id: str
    """32 hexadecimal digits."""
    created_at: str
    """UTC, ISO 8601 with milliseconds and a trailing Z."""
    model: str
    generation: str
    """The adapter generation that produced it, or `base`."""
    language: str
    path: str | None
    text: str
    """What was offered, after the guard; encrypted at rest."""
    action: Action | None
    """What the guard did about it, if anything."""
    tokens: int
    took_ms: float
    """From the request's arrival to its answer."""
    fate: Fate | None = None
    accepted_chars: int | None = None
    """How much of `text` the person took, for `accepted` and `partly_accepted`."""


@dataclass(frozen=True)
class FindingRow:
    """One thing the guard flagged in a suggestion, as it is kept: never with the flagged text."""

    id: str
    created_at: str
    suggestion: str | None
    """The suggestion's id."""
    kind: Kind
    rule: str
    cwe: str | None
    start: int
    end: int
    """Character offsets in the text that the model proposed."""
    message: str
    action: Action | None
    generation: str
    language: str
    path: str | None
    item: str | None = None
    """The ledger item it led to, if any."""


@dataclass(frozen=True)
class NewItem:
    """Something to forget, as a caller states it."""

    prefix: str
    """The text before the target, at most what a prompt holds."""
    suffix: str
    target: str
    """What the model said and should not say again."""
    start: int
    end: int
    """The blamed span inside the target, in characters; never empty."""
    kind: Kind
    rule: str
    language: str
    origin: Origin
    path: str | None = None
    replacement: str | None = None
    """What should stand in place of the blamed span."""
    suggestion: str | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= len(self.target):
            raise ValueError(
                f"the blamed span {self.start}:{self.end} must lie inside the target, "
                f"which has {len(self.target)} characters, and hold at least one"
            )
        if not self.target[self.start : self.end].strip():
            raise ValueError("the blamed span must hold more than white space")


@dataclass(frozen=True)
class Item:
    """A ledger item. Its texts are encrypted at rest and `None` once destroyed."""

    id: str
    created_at: str
    state: ItemState
    kind: Kind
    rule: str
    language: str
    origin: Origin
    path: str | None
    prefix: str | None
    suffix: str | None
    target: str | None
    start: int
    end: int
    replacement: str | None
    fingerprint: str
    """Keyed digest of the blamed text, white space folded."""
    context: str
    """Keyed digest of prefix and suffix: items with the same context are trained as one."""
    blamed_chars: int
    verified: int
    """In how many refreshes it was found forgotten."""
    forgotten_in: str | None
    """The generation in which its ban was retired."""
    suggestion: str | None
    message: str | None
    is_destroyed: bool = False
    """The blamed text is gone; `target` is what the model is held to instead, from `start` on."""

    @property
    def blamed(self) -> str | None:
        """The blamed text itself, while it is still there."""
        if self.is_destroyed or self.target is None:
            return None
        return self.target[self.start : self.end]


@dataclass(frozen=True)
class Adapter:
    """One immutable generation on disk."""

    name: str
    """`g000012-<digest8>`."""
    created_at: str
    parent: str
    """The generation its training started from, or `base`."""
    digest: str
    """SHA-256 of the adapter's safetensors file."""
    base_digest: str
    """Digest of the base model's weights and tokenizer."""
    method: str
    mode: RunMode
    state: AdapterState
    run: str | None
    metrics: dict[str, Any]
    """The gate's figures, as in the certificate."""


@dataclass(frozen=True)
class Serving:
    """The serving pointer."""

    generation: str
    previous: str | None
    changed_at: str


@dataclass(frozen=True)
class Run:
    """One refresh."""

    id: str
    started_at: str
    finished_at: str | None
    mode: RunMode
    method: str
    state: RunState
    phase: RunPhase
    done: int
    total: int
    """Progress inside the phase; total 0 means unknown."""
    message: str
    """One sentence on what it is doing, or why it ended."""
    pid: int
    candidate: str | None


@dataclass(frozen=True)
class RunItem:
    """What one refresh did to one item."""

    run: str
    item: str
    probability_before: float
    """Probability of the most probable blamed token, under the generation it started from."""
    probability_after: float
    steps: int
    seconds: float
    leaks: int
    """In how many of the gate's generations the blamed text came out."""
    forgotten: bool
    """The gate's verdict on this item."""
