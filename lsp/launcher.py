"""Starts the server in the background, once for all editors of this home."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp.errors import ServerNotStarted

_PATIENCE_S = 120.0
"""A model of several gigabytes may be read from a slow disk before the server listens."""
_LOOK_S = 0.1


@dataclass(frozen=True)
class Launcher:
    """How to start a server for `home`."""

    home: Path
    command: Sequence[str]
    environment: Mapping[str, str]

    async def start(self, answers: Callable[[], Awaitable[bool]]) -> None:
        """Return when a server answers, ours or another's; raises ServerNotStarted if none will.

        Two editors opened together both come here: the lock lets one of them start it.
        """
        from filelock import FileLock, Timeout  # rarely needed, and slow to import

        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self.home / "starting.lock", mode=0o600)
            give_up_at = time.monotonic() + _PATIENCE_S
            while not await answers():
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    if time.monotonic() > give_up_at:
                        raise _not_started("another editor is still starting it") from None
                    await asyncio.sleep(_LOOK_S)
                    continue
                try:
                    if not await answers():
                        await self._start_and_wait(answers, give_up_at)
                finally:
                    lock.release()
        except OSError as error:
            raise _not_started(f"{self.home} cannot be used: {error.strerror}") from error

    async def _start_and_wait(
        self, answers: Callable[[], Awaitable[bool]], give_up_at: float
    ) -> None:
        process = self._spawn()
        while not await answers():
            code = process.poll()
            if code is not None:
                if await answers():
                    return
                raise _not_started(self._last_words() or f"it ended with exit code {code}")
            if time.monotonic() > give_up_at:
                raise _not_started(f"no answer within {_PATIENCE_S:.0f} s")
            await asyncio.sleep(_LOOK_S)

    def _spawn(self) -> subprocess.Popen[bytes]:
        # not asyncio's subprocess: that one kills its child when the loop ends
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            return subprocess.Popen(
                list(self.command),
                env=dict(self.environment),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # closing the editor must not end it
                creationflags=_DETACHED,
            )
        finally:
            os.close(log)

    @property
    def _log(self) -> Path:
        return self.home / "serve.log"

    def _last_words(self) -> str | None:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return None
        spoken = [line.strip() for line in lines if line.strip()]
        return spoken[-1][:300].removeprefix("unsay: ") if spoken else None


_DETACHED = 0x00000008 | 0x00000200 if sys.platform == "win32" else 0
"""DETACHED_PROCESS and CREATE_NEW_PROCESS_GROUP."""


def _not_started(reason: str) -> ServerNotStarted:
    return ServerNotStarted(
        f"the Unsay server could not be started: {reason}. Run `unsay serve` in a terminal to see "
        "more, then the command `unsay.status` here"
    )
