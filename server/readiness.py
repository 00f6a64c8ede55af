"""Whether the server can complete, and if not, why."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from server.completer import Completer
from server.errors import Loading
from server.serving import Serving

Status = Literal["ok", "loading", "degraded"]


@dataclass(frozen=True)
class Loaded:
    """What exists once the model is in memory."""

    completer: Completer
    serving: Serving


@dataclass
class Readiness:
    """Filled in when the model has been loaded; carries what is wrong by subject."""

    failure: BaseException | None = None
    """Why there will never be a model; the server ends with it."""
    ready_at: float = 0.0
    """Seconds since 1970."""
    _loaded: Loaded | None = None
    _troubles: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def loaded(self) -> Loaded:
        """Raises Loading until there is a model."""
        if self._loaded is None:
            raise Loading("the model is still loading: ask again when /health says ok")
        return self._loaded

    @property
    def loaded_or_none(self) -> Loaded | None:
        return self._loaded

    @property
    def status(self) -> Status:
        if self._loaded is None:
            return "loading"
        return "ok" if self.reason is None else "degraded"

    @property
    def reason(self) -> str | None:
        """What is wrong, in sentences for a person."""
        reasons = list(self._troubles.values())
        if self._loaded is not None and self._loaded.completer.engine.wake_failure:
            reasons.append(self._loaded.completer.engine.wake_failure)
        return " ".join(reasons) or None

    def ready(self, loaded: Loaded) -> None:
        self._loaded, self.ready_at = loaded, time.time()

    def trouble(self, subject: str, reason: str | None) -> None:
        """Note what is wrong with `subject`; None: nothing any more."""
        if reason is None:
            self._troubles.pop(subject, None)
        else:
            self._troubles[subject] = reason
