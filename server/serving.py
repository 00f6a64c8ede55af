"""Moves the serving pointer and the engine together; neither is ever ahead for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from server.engine.adapters import WEIGHTS
from server.engine.digest import file_digest
from server.engine.errors import EngineError
from server.engine.protocol import Engine, SwapReport
from server.errors import AdapterChanged, RequestError
from server.metrics import Metrics
from server.store_thread import StoreThread
from server.watcher import LedgerWatch
from store import adapters
from store.database import Database
from store.errors import NotPassed, PromotionConflict, StoreError
from store.home import Home
from store.records import BASE

T = TypeVar("T")


class Serving:
    """Which generation serves.

    The engine changes first and the pointer second, so that a kill between the two leaves the
    pointer on a generation that is known to load. While the engine changes, what either
    generation may still say is banned.
    """

    def __init__(
        self,
        home: Home,
        engine: Engine,
        watch: LedgerWatch,
        store: StoreThread,
        metrics: Metrics,
        trouble: Callable[[str, str | None], None],
    ) -> None:
        self._home = home
        self._engine = engine
        self._watch = watch
        self._store = store
        self._metrics = metrics
        self._trouble = trouble
        self._turn = asyncio.Lock()
        self._handled: str | None = None
        """The pointer's generation that was last loaded, or could not be."""

    async def follow(self) -> None:
        """Serve what the pointer says; if that cannot be loaded, go on as before with every ban
        that needs, and say so in /health."""
        async with self._turn:
            pointer = await self._store.call(adapters.serving)
            wanted = pointer.generation
            if wanted == self._handled:
                return
            try:
                if wanted != self._engine.serving:
                    await self._swap(wanted)
                self._trouble("adapter", None)
            except (EngineError, StoreError, RequestError, OSError) as error:
                self._trouble(
                    "adapter",
                    f"Generation {wanted} cannot be served ({error}); {self._engine.serving} "
                    "serves instead and bans whatever it may still say: `unsay rollback` or "
                    "`unsay refresh --mode rebuild` mends it.",
                )
            self._handled = wanted
            self._metrics.serving(self._engine.serving)

    async def promote(self, generation: str, expected: str) -> SwapReport:
        """Serve `generation`, if `expected` is what serves now.

        Raises PromotionConflict, NotFound, NotPassed, AdapterChanged and what the engine finds
        wrong; the old generation serves on then.
        """
        return await _to_the_end(self._promote(generation, expected))

    async def rollback(self, expected: str | None) -> SwapReport:
        """Serve again what served before; raises NotFound where nothing did."""
        return await _to_the_end(self._rollback(expected))

    async def close(self) -> None:
        """Let a change under way come to its end; there is none after it."""
        await self._turn.acquire()

    async def _promote(self, generation: str, expected: str) -> SwapReport:
        async with self._turn:
            await self._store.call(_check_promotion, generation, expected)
            return await self._move(
                generation,
                lambda: self._store.call(adapters.promote, generation, expected=expected),
            )

    async def _rollback(self, expected: str | None) -> SwapReport:
        async with self._turn:
            pointer = await self._store.call(adapters.serving)
            expected = expected or pointer.generation
            if pointer.generation != expected:
                raise PromotionConflict(pointer, expected)
            if pointer.previous is None:
                await self._store.call(adapters.rollback, expected=expected)  # raises NotFound
            return await self._move(
                pointer.previous or BASE,
                lambda: self._store.call(adapters.rollback, expected=expected),
            )

    async def _move(self, generation: str, point: Callable[[], Awaitable[object]]) -> SwapReport:
        before = self._engine.serving
        report = await self._swap(generation)
        try:
            await point()
        except StoreError:
            await self._swap(before)
            raise
        self._handled = generation
        self._trouble("adapter", None)
        return report

    async def _swap(self, generation: str) -> SwapReport:
        folder = await self._checked_folder(generation)
        before = self._engine.serving
        await self._store.call(self._watch.protect, (before, generation))
        try:
            report = await asyncio.to_thread(self._engine.swap, generation, folder)
        finally:
            await self._store.call(self._watch.protect, (self._engine.serving,))
        self._metrics.swapped(report)
        return report

    async def _checked_folder(self, generation: str) -> Path | None:
        """The folder of a generation whose weights are those that passed the gate."""
        if generation == BASE:
            return None
        adapter = await self._store.call(adapters.get, generation)
        folder = self._home.adapters / generation
        digest = await asyncio.to_thread(_digest, folder / WEIGHTS)
        if digest != adapter.digest:
            what = "is missing" if digest is None else "is not the one that passed the gate"
            raise AdapterChanged(
                f"the weights file of generation {generation} {what}: put back "
                f"{folder / WEIGHTS} from a copy, or run `unsay refresh` for a new generation"
            )
        return folder


async def _to_the_end(work: Coroutine[None, None, T]) -> T:
    """A client that goes away does not stop a change of generation half-way."""
    return await asyncio.shield(asyncio.create_task(work))


def _check_promotion(db: Database, generation: str, expected: str) -> None:
    """Refuse before anything is loaded what the store would refuse afterwards."""
    pointer = adapters.serving(db)
    if pointer.generation != expected:
        raise PromotionConflict(pointer, expected)
    if generation != BASE:
        adapter = adapters.get(db, generation)
        if adapter.state != "passed":
            raise NotPassed(generation, adapter.state)


def _digest(path: Path) -> str | None:
    try:
        return file_digest(path)
    except FileNotFoundError:
        return None
