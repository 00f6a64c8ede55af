"""Starts the refresh as a child process of low priority, at most one, and reaps it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from server.errors import RefreshNotStarted, RefreshRunning
from server.store_thread import StoreThread
from store import runs
from store.database import Database
from store.records import Run, RunMode

LOWER_PRIORITY = 10
# importing torch on a busy laptop takes some ten seconds, and the run's row comes after that
START_LIMIT_S = 60.0
STOP_LIMIT_S = 5.0
KEPT_ERROR_BYTES = 8_192


@dataclass(frozen=True)
class RefreshCommand:
    """How the refresh is started; `--mode` and `--method` are added to `words`."""

    words: Sequence[str]
    environment: Mapping[str, str]

    def complete(self, mode: RunMode, method: str | None) -> list[str]:
        chosen = [] if method is None else ["--method", method]
        return [*self.words, "--mode", mode, *chosen]


class Refresher:
    """The refresh as this server starts it."""

    def __init__(self, command: RefreshCommand, store: StoreThread) -> None:
        self._command = command
        self._store = store
        self._child: Process | None = None
        self._reaping: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._last_words = b""

    @property
    def is_running(self) -> bool:
        """Whether a refresh that this server started is under way."""
        return self._reaping is not None and not self._reaping.done()

    async def start(self, mode: RunMode, method: str | None = None) -> Run:
        """Start one and wait until it has made its row; raises RefreshRunning, RefreshNotStarted.

        A caller that goes away does not stop it.
        """
        return await asyncio.shield(asyncio.create_task(self._start(mode, method)))

    async def stop(self) -> None:
        """End the child and what it has started; its run is closed as failed."""
        child, reaping = self._child, self._reaping
        if child is None or reaping is None:
            return
        if child.returncode is None:
            _signal(child, signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(reaping), STOP_LIMIT_S)
        _signal(child, signal.SIGKILL)  # its group too: what it has left behind
        await reaping

    async def leave(self) -> None:
        """Let the child go on without us."""
        if self._reaping is not None:
            self._reaping.cancel()
            with suppress(asyncio.CancelledError):
                await self._reaping

    async def _start(self, mode: RunMode, method: str | None) -> Run:
        async with self._starting:
            if self.is_running:
                raise RefreshRunning(
                    "a refresh is running already: GET /v1/runs says how far it is; start the next "
                    "one when it has ended"
                )
            running = await self._store.call(runs.close_interrupted)
            if running is not None:
                raise RefreshRunning(
                    f"a refresh is running already (process {running.pid}): wait until it has ended"
                )
            before = await self._store.call(runs.latest)
            child = self._child = await self._spawn(mode, method)
            self._reaping = asyncio.create_task(self._reap(child))
            return await self._first_row(child, before)

    async def _spawn(self, mode: RunMode, method: str | None) -> Process:
        words = self._command.complete(mode, method)
        try:
            child = await asyncio.create_subprocess_exec(
                *words,
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
                env=dict(self._command.environment),
                start_new_session=True,
            )
        except OSError as error:
            raise RefreshNotStarted(
                f"'{words[0]}' cannot be started ({error.strerror}): check that Unsay is installed"
            ) from error
        if sys.platform != "win32":
            with suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, child.pid, LOWER_PRIORITY)
        return child

    async def _first_row(self, child: Process, before: Run | None) -> Run:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + START_LIMIT_S
        while loop.time() < give_up:
            has_ended = not self.is_running  # asked first: a quick child makes its row and ends
            run = await self._store.call(runs.latest)
            if run is not None and (before is None or run.id != before.id):
                return run
            if has_ended:
                raise RefreshNotStarted(
                    f"the refresh ended at once with code {child.returncode}: {self._said()}"
                )
            await asyncio.sleep(0.05)
        await self.stop()
        raise RefreshNotStarted(
            f"the refresh said nothing for {START_LIMIT_S:g} s and was stopped: "
            "run `unsay refresh` by hand to see why"
        )

    def _said(self) -> str:
        lines = self._last_words.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "run `unsay refresh` by hand to see why"

    async def _reap(self, child: Process) -> None:
        """Read what the child says until it ends, and close its run if it did not."""
        assert child.stderr is not None
        self._last_words = b""
        while piece := await child.stderr.read(4096):
            self._last_words = (self._last_words + piece)[-KEPT_ERROR_BYTES:]
        await child.wait()
        await self._store.call(_close_run, child.pid, child.returncode or 0)


def _close_run(db: Database, pid: int, code: int) -> None:
    run = runs.latest(db)
    if run is not None and run.state == "running" and run.pid == pid:
        how = f"signal {-code}" if code < 0 else f"code {code}"
        runs.finish(db, run.id, "failed", f"The refresh process ended early, with {how}.")


def _signal(child: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
