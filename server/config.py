"""What a person may set about the server."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import time

from store.records import KINDS, Kind, RunMode

HOST = "127.0.0.1"
"""Not an option: the token travels in clear, so the server never leaves the machine."""

DEFAULT_PORT = 7411

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class NightlyConfig:
    """When the server starts a refresh by itself."""

    window: str | None = "02:00-05:00"
    """Local hours, `HH:MM-HH:MM`, may cross midnight; None: never by itself."""
    idle_minutes: float = 15.0
    """How long nobody may have asked for a suggestion."""
    min_new_items: int = 1
    """How many banned or relapsed items make a refresh worth its while."""
    mode: RunMode = "incremental"

    def __post_init__(self) -> None:
        if self.window is not None and not _WINDOW.fullmatch(self.window):
            raise ValueError(
                f"nightly window '{self.window}' is not of the form 02:00-05:00: "
                "write two times of day with a hyphen, or none to switch it off"
            )
        if self.idle_minutes < 0:
            raise ValueError("nightly idle_minutes must be 0 or more")
        if self.min_new_items < 1:
            raise ValueError("nightly min_new_items must be 1 or more")

    @property
    def hours(self) -> tuple[time, time] | None:
        """Begin and end of the window."""
        found = _WINDOW.fullmatch(self.window) if self.window else None
        if found is None:
            return None
        first, second, third, fourth = (int(group) for group in found.groups())
        return time(first, second), time(third, fourth)


@dataclass(frozen=True)
class ServerConfig:
    """How the server listens, answers and keeps."""

    port: int = DEFAULT_PORT
    """0: any free one; clients find it in `server.json`."""
    max_body_bytes: int = 2 * 1024 * 1024
    """Larger requests are refused unread."""
    deadline_ms: int = 10_000
    """A completion that takes longer is cut off and answered empty."""
    max_tokens: int = 1024
    """The most a request may ask for."""
    max_waiting: int = 64
    """Requests that may wait for the model; more are answered `busy`."""
    ledger_kinds: tuple[Kind, ...] = ("secret", "deprecated", "insecure", "licensed")
    """Findings of these kinds become ledger items by themselves."""
    quiet_ms: int = 400
    """How long nobody may have asked about a document before its last suggestion is looked at again
    in the background; one that is taken is looked at at once."""
    idle_unload_minutes: float = 30.0
    """How long nobody may have worked with the model before its memory is given back; the next
    request, or a document opened, reads it again. 0: never. Half an hour is longer than people read
    and think, and shorter than a meal or the time until the nightly refresh, which needs it too."""
    retain_days: int = 90
    """Suggestions older than this are deleted."""
    stop_refresh_on_exit: bool = True
    """Whether a refresh that this server started ends with it."""
    nightly: NightlyConfig = field(default_factory=NightlyConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 0 and 65535")
        for name in ("max_body_bytes", "deadline_ms", "max_tokens", "max_waiting", "retain_days"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more")
        for name in ("quiet_ms", "idle_unload_minutes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more")
        for kind in self.ledger_kinds:
            if kind not in KINDS:
                raise ValueError(f"ledger kind '{kind}' is unknown: choose from {', '.join(KINDS)}")
