"""The learning rate: warm-up, constant, a cosine decay that ends with the tokens or the time."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

WARM_UP_STEPS = 40
DECAY_SHARE = 0.28
FINAL_SHARE = 0.03


@dataclass(frozen=True)
class Schedule:
    """How long a run is, over all its parts: whichever of the two ends first."""

    total_s: float | None = None
    """Seconds of training."""
    total_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.total_s is None and self.total_tokens is None:
            raise ValueError("a run needs an end: give tokens, minutes or both")

    def way(self, trained_s: float, tokens: int) -> float:
        """The share of the run that lies behind; 1 or more at its end."""
        by_clock = 0.0 if self.total_s is None else trained_s / self.total_s
        by_tokens = 0.0 if self.total_tokens is None else tokens / self.total_tokens
        return max(by_clock, by_tokens)

    def is_decaying(self, way: float) -> bool:
        """Whether the last phase has begun, and with it the long rows."""
        return way >= 1 - DECAY_SHARE

    def share(self, step: int, way: float) -> float:
        """The factor on the learning rate."""
        warm = min(1.0, (step + 1) / WARM_UP_STEPS)
        if not self.is_decaying(way):
            return warm
        down = min(1.0, (way - (1 - DECAY_SHARE)) / DECAY_SHARE)
        return warm * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * down)))


def seconds_until(clock: str, now: datetime) -> float:
    """Seconds from `now` to the next `HH:MM`."""
    hour, minute = map(int, clock.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if end <= now:
        end += timedelta(days=1)
    return (end - now).total_seconds()
