"""A resident `ruff server` child, asked over its standard streams (the language server protocol).

Started in the background on the first question, replaced when it is dead or silent.
"""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from typing import IO, Any

from ruff.__main__ import find_ruff_bin  # pyright: ignore[reportMissingTypeStubs]

from server.guard.errors import RuffUnavailable

URI = "untitled:suggestion.py"
START_SECONDS = 10.0
RESTART_SECONDS = 1.0
"""A child that will not live is not started more often than this."""
MOST_LATE = 3
"""So many answers in a row may be late before the child counts as hanging."""
SYNTAX = "invalid-syntax"
BANDITS_OWN = frozenset({"S614", "S615", "S703"})
"""Bandit's rules that ruff does not know: for one unknown rule it drops the whole configuration."""
Message = dict[str, Any]


@dataclass(frozen=True)
class Diagnostic:
    """What ruff says about a document."""

    code: str
    message: str
    start: tuple[int, int]
    """Line and character, from 0; characters are code points."""
    end: tuple[int, int]


class _Late(RuffUnavailable):
    """The answer is still to come."""


class RuffServer:
    """Asks ruff's security rules about one document after the other; safe from several threads."""

    def __init__(self, ignore: tuple[str, ...]) -> None:
        self._ignore = ignore
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[Message | None] = queue.Queue()
        self._starter: Thread | None = None
        self._reader: Thread | None = None
        self._tried = float("-inf")
        self._number = 0
        self._last: tuple[str | None, list[Diagnostic]] = None, []
        self._late = 0
        self._is_closed = False
        self._state = "ruff has not been started"

    def status(self) -> str:
        """`ok`, or why ruff does not answer."""
        if self._child is not None and self._child.poll() is not None:
            return "ruff has died; it is started again with the next check"
        return self._state

    @property
    def pid(self) -> int | None:
        """The child's process id, while it runs."""
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Start the child in the background, unless it runs or has just failed."""
        is_alive = self._child is not None and self._child.poll() is None
        is_starting = self._starter is not None and self._starter.is_alive()
        if self._is_closed or is_alive or is_starting:
            return
        if time.monotonic() - self._tried < RESTART_SECONDS:
            return
        self._tried = time.monotonic()
        self._starter = Thread(target=self._start, daemon=True)
        self._starter.start()

    def wait(self, seconds: float) -> bool:
        """Whether ruff is ready, after waiting at most `seconds` for its start."""
        if self._starter is not None:
            self._starter.join(seconds)
        return self.status() == "ok"

    def diagnose(self, text: str, timeout_ms: float) -> list[Diagnostic]:
        """What ruff says about `text`; RuffUnavailable if it does not answer in time."""
        known, found = self._last
        if known == text:  # it is the same while somebody types what is suggested
            return found
        deadline = time.monotonic() + timeout_ms / 1000
        self.start()
        if self.status() != "ok" or not self._lock.acquire(timeout=timeout_ms / 1000):
            raise RuffUnavailable(self.status())
        try:
            change = {"textDocument": {"uri": URI, "version": self._number + 1}}
            change |= {"contentChanges": [{"text": text}]}
            self._say("textDocument/didChange", change, deadline)
            result = self._ask("textDocument/diagnostic", {"textDocument": {"uri": URI}}, deadline)
            self._late = 0
        except _Late:
            self._late += 1  # its answer is skipped when it comes
            if self._late >= MOST_LATE:
                self._drop("ruff did not answer in time; it is started again")
            raise
        except (OSError, RuffUnavailable) as error:
            self._drop("ruff has died or hangs; it is started again")
            raise RuffUnavailable(self._state) from error
        finally:
            self._lock.release()
        found = [_diagnostic(item) for item in result.get("items", ())]
        self._last = text, found
        return found

    def close(self) -> None:
        """End the child."""
        self._is_closed = True
        if self._starter is not None:
            self._starter.join()
        with self._lock:
            self._drop("ruff has been closed")

    def _start(self) -> None:
        with self._lock:
            self._drop("ruff is being started")
            try:
                self._child = subprocess.Popen(
                    [os.fsdecode(find_ruff_bin()), "server", "--isolated"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd=tempfile.gettempdir(),
                )
                assert self._child.stdin is not None and self._child.stdout is not None
                os.set_blocking(self._child.stdin.fileno(), False)
                self._answers = queue.Queue()
                self._reader = Thread(
                    target=_read, args=(self._child.stdout, self._answers), daemon=True
                )
                self._reader.start()
                self._greet(time.monotonic() + START_SECONDS)
            except (OSError, RuffUnavailable) as error:
                self._drop(f"ruff cannot be started ({error}); bandit is used instead")
                return
            self._state = "ok"

    def _greet(self, deadline: float) -> None:
        ignored = [code for code in self._ignore if code not in BANDITS_OWN]
        lint = {"select": ["S"], "ignore": ignored, "preview": False}
        settings = {
            "configurationPreference": "editorOnly",  # no ruff.toml may switch the guard off
            "configuration": {"lint": lint, "target-version": "py311"},
            "showSyntaxErrors": True,
            "logLevel": "error",
        }
        hello = {
            "processId": os.getpid(),
            "rootUri": None,
            "capabilities": {"general": {"positionEncodings": ["utf-32"]}},
            "initializationOptions": {"settings": settings, "globalSettings": settings},
        }
        self._ask("initialize", hello, deadline)
        self._say("initialized", {}, deadline)
        document = {"uri": URI, "languageId": "python", "version": 0, "text": ""}
        self._say("textDocument/didOpen", {"textDocument": document}, deadline)
        self._ask("textDocument/diagnostic", {"textDocument": {"uri": URI}}, deadline)

    def _drop(self, state: str) -> None:
        child, self._child, self._state = self._child, None, state
        if child is not None:
            child.kill()
            child.wait()
            assert child.stdin is not None and child.stdout is not None
            with suppress(OSError):
                child.stdin.close()
            if self._reader is not None:
                self._reader.join()
            child.stdout.close()

    def _say(
        self, method: str, params: Message, deadline: float, number: int | None = None
    ) -> None:
        message: Message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        body = json.dumps(message).encode("utf-8", "replace")
        assert self._child is not None and self._child.stdin is not None
        pipe = self._child.stdin.fileno()
        rest = memoryview(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        while rest:  # a child that hangs must not hang us: the pipe does not block
            if not select.select((), (pipe,), (), max(0.0, deadline - time.monotonic()))[1]:
                raise RuffUnavailable("ruff did not read in time")
            rest = rest[os.write(pipe, rest) :]

    def _ask(self, method: str, params: Message, deadline: float) -> Message:
        self._number += 1
        self._say(method, params, deadline, self._number)
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty as error:
                raise _Late("ruff did not answer in time") from error
            if answer is None:
                raise RuffUnavailable("ruff has died")
            if answer.get("id") == self._number and "method" not in answer:
                return answer.get("result") or {}


def _read(stream: IO[bytes], answers: queue.Queue[Message | None]) -> None:
    """Puts each message of the child into the queue, and None at its end."""
    with suppress(OSError, ValueError):
        while header := stream.readline():
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
                while stream.readline().strip():
                    pass
                answers.put(json.loads(stream.read(length)))
    answers.put(None)


def _diagnostic(item: Message) -> Diagnostic:
    start, end = item["range"]["start"], item["range"]["end"]
    return Diagnostic(
        str(item.get("code") or SYNTAX),
        str(item["message"]),
        (start["line"], start["character"]),
        (end["line"], end["character"]),
    )
