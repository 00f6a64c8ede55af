"""Starts the refresh by itself: in the night's window, when nobody types, if there is a need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Protocol

from server.config import NightlyConfig
from server.errors import RequestError
from server.store_thread import StoreThread
from store import ledger
from store.database import Database
from store.errors import StoreError
from store.records import Run, RunMode

TICK_S = 30.0


class Starts(Protocol):
    """What can start a refresh."""

    async def start(self, mode: RunMode, method: str | None = None) -> Run: ...


class Nightly:
    """Looks at the clock twice a minute."""

    def __init__(
        self,
        config: NightlyConfig,
        refresher: Starts,
        store: StoreThread,
        idle_s: Callable[[], float],
        trouble: Callable[[str, str | None], None],
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._config = config
        self._refresher = refresher
        self._store = store
        self._idle_s = idle_s
        self._trouble = trouble
        self._clock = clock
        self._started_in: datetime | None = None
        """The beginning of the window in which the last refresh was tried."""

    async def watch(self) -> None:
        """Never returns; cancel it."""
        while True:
            await self.tick()
            await asyncio.sleep(TICK_S)

    async def tick(self) -> Run | None:
        """Start a refresh if it is time; one window sees one at most."""
        opened = window_opened(self._config.hours, self._clock())
        if opened is None or opened == self._started_in:
            return None
        if self._idle_s() < self._config.idle_minutes * 60:
            return None
        try:
            if await self._store.call(waiting_items) < self._config.min_new_items:
                return None
            self._started_in = opened  # tried: what does not start now will not in half a minute
            run = await self._refresher.start(self._config.mode)
        except (RequestError, StoreError) as error:
            self._trouble("nightly", f"The nightly refresh did not start: {error}.")
            return None
        self._trouble("nightly", None)
        return run


def window_opened(hours: tuple[time, time] | None, now: datetime) -> datetime | None:
    """When the window that `now` lies in was opened; None outside."""
    if hours is None:
        return None
    first, last = hours
    today = now.replace(hour=first.hour, minute=first.minute, second=0, microsecond=0)
    opened = today if now >= today else today - timedelta(days=1)
    length = timedelta(hours=last.hour - first.hour, minutes=last.minute - first.minute)
    if length <= timedelta():
        length += timedelta(days=1)
    return opened if now < opened + length else None


def waiting_items(db: Database) -> int:
    """How many items the weights have not forgotten yet."""
    return len(ledger.list_items(db, states=("banned", "relapsed")))
