"""What an editor may show of our state: one notification, sent when something changed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from lsp.keeper import Reach

State = Literal["starting", "ready", "working", "excluded", "disabled", "error"]

METHOD = "unsay/status"


@dataclass(frozen=True)
class LastAction:
    """What the guard did last, in a few words for a status bar."""

    action: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Status:
    """What is sent."""

    state: State
    generation: str | None
    message: str
    lastAction: LastAction | None


class StatusBoard:
    """Gathers the state from the parts that know it."""

    def __init__(self, send: Callable[[dict[str, object]], None]) -> None:
        self._send = send
        self._sent: Status | None = None
        self._reach = Reach(None)
        self._excluded: str | None = None
        self._is_enabled = True
        self._working = 0
        self._last: LastAction | None = None

    @property
    def present(self) -> Status:
        state, message = self._state()
        health = self._reach.health
        return Status(state, health.generation or None if health else None, message, self._last)

    def reached(self, reach: Reach) -> None:
        self._reach = reach
        self._tell()

    def enabled(self, is_enabled: bool) -> None:
        self._is_enabled = is_enabled
        self._tell()

    def excluded(self, reason: str | None) -> None:
        """Whether the document that was asked about last is excluded, and why."""
        self._excluded = reason
        self._tell()

    def acted(self, action: LastAction) -> None:
        self._last = action
        self._tell()

    @contextmanager
    def working(self) -> Generator[None]:
        self._working += 1
        self._tell()
        try:
            yield
        finally:
            self._working -= 1
            self._tell()

    def as_json(self) -> dict[str, object]:
        return asdict(self.present)

    def _tell(self) -> None:
        if self.present != self._sent:
            self._sent = self.present
            self._send(asdict(self._sent))

    def _state(self) -> tuple[State, str]:
        health = self._reach.health
        if not self._is_enabled:
            return "disabled", "Switched off by the setting unsay.enable."
        if self._excluded is not None:
            return "excluded", f"This file stays in the editor: {self._excluded}."
        if health is None and self._reach.trouble is not None:
            return "error", self._reach.trouble
        if health is None:
            return "starting", "The server is being started."
        if health.is_loading:
            return "starting", health.reason or "The model is being loaded."
        if health.status != "ok":
            return "error", health.reason or f"The server says that it is {health.status}."
        if health.engine == "waking":
            return "starting", "The model is being read into memory again."
        if self._working:
            return "working", "Asking for a suggestion."
        rest = " The model sleeps; the next key wakes it." if health.engine == "asleep" else ""
        return "ready", f"Ready, generation {health.generation}.{rest}"
