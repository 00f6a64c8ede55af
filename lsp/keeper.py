"""Keeps the server reachable: looks after it, starts it, and tells what it found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from lsp import answers
from lsp.answers import Health
from lsp.connection import Connection
from lsp.errors import ServerNotStarted, ServerRefused, ServerTrouble
from lsp.launcher import Launcher

_LOOK_S = 5.0
_LOOK_WHILE_LOADING_S = 0.25
_RETRY_START_S = 60.0
"""A server that would not start is not tried again at every key."""
_HEALTH_S = 3.0


@dataclass(frozen=True)
class Reach:
    """How the server stands."""

    health: Health | None
    trouble: str | None = None
    """Why it cannot be reached, when it is known not to be."""

    @property
    def is_ready(self) -> bool:
        return self.health is not None and not self.health.is_loading


class Keeper:
    """One background task per editor."""

    def __init__(
        self, connection: Connection, launcher: Launcher, changed: Callable[[Reach], None]
    ) -> None:
        self.reach = Reach(None)
        self.may_start = True
        self._connection = connection
        self._launcher = launcher
        self._changed = changed
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._no_start_before = 0.0
        self._failed_start: str | None = None

    def begin(self) -> None:
        """Start looking after the server; needs a running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep())

    def look(self, *, start_again: bool = False) -> None:
        """Look now rather than at the next turn; `start_again` forgets a failed start."""
        if start_again:
            self._no_start_before = 0.0
        self._settled.clear()
        self._wake.set()

    async def ready(self, within_s: float) -> bool:
        """Whether the server answers, waiting at most `within_s` for it."""
        until = time.monotonic() + within_s
        while not self.reach.is_ready and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(0.05, left))
        return self.reach.is_ready

    async def settled(self, within_s: float) -> None:
        """Wait until the look that was asked for has been taken."""
        try:
            async with asyncio.timeout(within_s):
                await self._settled.wait()
        except TimeoutError:
            return

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            reach = await self._look()
            if reach.health is None:
                if self._may_start_now():
                    self._set(Reach(None))
                    reach = await self._start()
                elif self._failed_start is not None:
                    reach = Reach(None, self._failed_start)
            self._set(reach)
            self._settled.set()
            health = reach.health
            loading = health is not None and (health.is_loading or health.engine == "waking")
            try:
                async with asyncio.timeout(_LOOK_WHILE_LOADING_S if loading else _LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _set(self, reach: Reach) -> None:
        if reach != self.reach:
            self.reach = reach
            self._changed(reach)

    async def _look(self) -> Reach:
        try:
            return Reach(answers.health(await self._connection.get("/health", _HEALTH_S)))
        except ServerRefused as refused:
            if refused.status == 503:
                return Reach(Health("loading", "", "", "the model is being loaded", ""))
            return Reach(None, str(refused))
        except ServerTrouble as trouble:
            return Reach(None, str(trouble))

    def _may_start_now(self) -> bool:
        return self.may_start and time.monotonic() >= self._no_start_before

    async def _start(self) -> Reach:
        try:
            await self._launcher.start(self._answers)
        except ServerNotStarted as failed:
            self._no_start_before = time.monotonic() + _RETRY_START_S
            self._failed_start = str(failed)
            return Reach(None, str(failed))
        self._failed_start = None
        return await self._look()

    async def _answers(self) -> bool:
        reach = await self._look()
        if reach.health is not None:
            self._set(reach)
        return reach.health is not None
