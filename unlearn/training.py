"""How a training went: what it did to each item, and what it took."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass
class Trail:
    """What training did to one item."""

    before: float
    """Probability of its most probable forbidden token when training began."""
    after: float
    steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Training:
    """How a training went."""

    trails: dict[str, Trail]
    """By item."""
    updates: int
    seconds: float
    tokens: int
    """Tokens run forward and backward."""
    peak_bytes: int
    """Peak memory: of the accelerator where there is one, else of the process."""
    losses: list[float] = field(default_factory=list[float])

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(self.seconds, 1e-9)

    @property
    def seconds_per_item(self) -> float:
        return self.seconds / max(1, len(self.trails))

    def figures(self) -> dict[str, Any]:
        """The figures for a certificate."""
        return {
            "updates": self.updates,
            "seconds": round(self.seconds, 3),
            "tokens": self.tokens,
            "tokens_per_second": round(self.tokens_per_second, 1),
            "seconds_per_item": round(self.seconds_per_item, 4),
            "peak_bytes": self.peak_bytes,
            "probabilities": {
                item: {"before": trail.before, "after": trail.after}
                for item, trail in sorted(self.trails.items())
            },
        }

    def sentence(self) -> str:
        """The figures a person wants after a training."""
        return (
            f"{self.updates} updates in {self.seconds:.1f} s: "
            f"{self.tokens_per_second:,.0f} tokens/s, {self.seconds_per_item:.2f} s per item, "
            f"peak {self.peak_bytes / 2**20:,.0f} MiB"
        )


def peak_bytes() -> int:
    """Peak memory of the accelerator, or of this process where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
