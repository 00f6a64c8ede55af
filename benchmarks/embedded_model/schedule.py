"""The learning rate by the clock: warm-up, constant, a cosine decay that ends at the deadline."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

WARM_UP_STEPS = 40
DECAY_SHARE = 0.28
FINAL_SHARE = 0.03


@dataclass(frozen=True)
class Schedule:
    """A run of `total_s` seconds of training, over all its sessions."""

    total_s: float

    @property
    def decay_from_s(self) -> float:
        """When the decay begins, and with it the long rows."""
        return self.total_s * (1 - DECAY_SHARE)

    def is_decaying(self, trained_s: float) -> bool:
        """Whether the last phase has begun."""
        return trained_s >= self.decay_from_s

    def share(self, step: int, trained_s: float) -> float:
        """The factor on the learning rate."""
        warm = min(1.0, (step + 1) / WARM_UP_STEPS)
        if not self.is_decaying(trained_s):
            return warm
        way = min(1.0, (trained_s - self.decay_from_s) / (self.total_s - self.decay_from_s))
        return warm * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * way)))


def seconds_until(clock: str, now: datetime) -> float:
    """Seconds from `now` to the next `HH:MM`."""
    hour, minute = map(int, clock.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if end <= now:
        end += timedelta(days=1)
    return (end - now).total_seconds()
