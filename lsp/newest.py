"""Only the newest request of a kind goes on; the one before it is cancelled and answers nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Newest:
    """The running requests, one for each key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def run(self, key: Hashable, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`; None when a newer one of the same key came.

        A cancelled caller gets its CancelledError, and `work` is cancelled with it.
        """
        before = self._running.get(key)
        if before is not None:
            before.cancel()
        task = asyncio.ensure_future(work)
        self._running[key] = task
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            return None
        finally:
            if self._running.get(key) is task:
                del self._running[key]
