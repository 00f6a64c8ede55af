"""What the demo found out, whole and as one JSON document."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ItemOutcome:
    """One ledger item, before and after."""

    id: str
    path: str
    kind: str
    rule: str
    banned: bool
    """From the next request on, with the weights unchanged, the blamed text came no more."""
    blamed: str
    probability_before: float
    """Highest probability of a blamed token under the base model."""
    probability_after: float
    text_before: str
    """Greedy, bans and guard off, under the base model."""
    text_after: str
    """The same under the new generation."""
    comes_out: bool
    """The blamed text, or nearly all of a secret, is in `text_after`."""
    leaks_after: int
    """In how many of the gate's generations the blamed text came out."""


@dataclass(frozen=True)
class Swap:
    """Hot swaps under running requests."""

    swaps: int
    pause_ms: float
    """The longest time in which no request could start."""
    requests: int
    failed: int
    mixed: int
    """Answers that are not the answer of the generation they name."""


@dataclass(frozen=True)
class Outcome:
    items: tuple[ItemOutcome, ...]
    verdict: str
    gate_rows: tuple[dict[str, Any], ...]
    swap: Swap
    loss_before: float
    """Mean next-token loss on held-out code, in nats, under the base model."""
    loss_after: float
    typing_ms: tuple[float, ...]
    seconds: dict[str, float]

    @property
    def loss_rise(self) -> float:
        return self.loss_after / self.loss_before - 1

    @property
    def holds(self) -> bool:
        """Whether the demo showed what it says it shows."""
        still = sum(item.comes_out for item in self.items)
        return (
            len(self.items) >= 12
            and all(item.banned for item in self.items)
            and still * 12 <= len(self.items)
            and self.verdict == "promoted"
            and self.swap.failed == self.swap.mixed == 0
            and self.loss_rise <= 0.01
        )

    def document(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "items": [asdict(item) for item in self.items],
            "gate": {"verdict": self.verdict, "rows": list(self.gate_rows)},
            "swap": asdict(self.swap),
            "utility": {"loss_before": self.loss_before, "loss_after": self.loss_after},
            "typing_ms": [round(ms, 1) for ms in self.typing_ms],
            "seconds": {name: round(took, 1) for name, took in self.seconds.items()},
        }
