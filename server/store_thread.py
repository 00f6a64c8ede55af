"""The database and the one thread that touches it, so that no answer waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from server.unexpected import log_unexpected
from store.database import Database
from store.errors import StoreError

P = ParamSpec("P")
R = TypeVar("R")


class StoreThread:
    """Runs the store's functions one after the other, in the order in which they were called.

    What was left for later is therefore done before anything that is asked for after it.
    """

    def __init__(self, db: Database, trouble: Callable[[str, str | None], None]) -> None:
        self._db = db
        self._trouble = trouble
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="unsay-store")
        self._newest: Future[Any] | None = None

    async def call(
        self, work: Callable[Concatenate[Database, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """`work(db, ...)`; raises what it raises."""
        future = self._thread.submit(partial(work, self._db, *args, **kwargs))
        self._newest = future
        return await asyncio.wrap_future(future)

    def later(
        self, work: Callable[Concatenate[Database, P], object], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """`work(db, ...)` when there is time; what it raises shows in /health."""
        loop = asyncio.get_running_loop()
        future = self._thread.submit(partial(work, self._db, *args, **kwargs))
        self._newest = future

        def settled(done: Future[object]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._settle, done.exception())

        future.add_done_callback(settled)

    def changes_if_idle(self) -> int | None:
        """`Database.changes()` at once, without the thread; None while that has work to do."""
        if self._newest is not None and not self._newest.done():
            return None
        return self._db.changes()

    def close(self) -> None:
        """Do what was left for later, then close the database."""
        self._thread.shutdown(wait=True)
        self._db.close()

    def _settle(self, error: BaseException | None) -> None:
        if error is None:
            self._trouble("store", None)
        elif isinstance(error, StoreError):
            self._trouble("store", f"What happens is not recorded: {error}")
        else:
            reference = log_unexpected(error)
            self._trouble("store", f"What happens is not recorded; see {reference} in the log.")
