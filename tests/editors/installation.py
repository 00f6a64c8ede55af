"""An Unsay of its own: a home in a temporary folder, with the tiny model, reached over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from editors.toolbox import clean_environment

PATIENCE_S = 150.0  # importing torch, when others keep both cores busy

Found = TypeVar("Found")


@dataclass(frozen=True)
class Installation:
    """A home that a server may be running in."""

    home: Path

    def health(self) -> dict[str, Any] | None:
        """What `/health` says, or None while nothing answers or the model is still loading."""
        with suppress(OSError, ValueError, KeyError):
            return self._call("GET", "/health")
        return None

    def ledger(self, state: str | None = None) -> list[dict[str, Any]]:
        """The items, as the server tells of them."""
        return self._call("GET", f"/v1/ledger?state={state}" if state else "/v1/ledger")["items"]

    def stop(self) -> None:
        """End the server of this home, whoever started it."""
        with suppress(OSError, ValueError, KeyError):
            pid = int(self._address()["pid"])
            os.kill(pid, signal.SIGTERM)
            until(lambda: not (self.home / "server.json").exists(), "the server's end")

    def _call(self, method: str, route: str) -> dict[str, Any]:
        token = (self.home / "token").read_text().strip()
        ask = urllib.request.Request(
            self._address()["url"] + route,
            method=method,
            headers={"Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(ask, timeout=10) as answer:
            return json.load(answer)

    def _address(self) -> dict[str, Any]:
        return json.loads((self.home / "server.json").read_text())


def new_installation(home: Path, model: Path) -> Installation:
    """A home whose server, when one is started, serves `model` at any free port."""
    home.mkdir(mode=0o700)
    (home / "unsay.toml").write_text(
        f'[engine]\nmodel = "{model}"\ndevice = "cpu"\n\n[server]\nport = 0\n'
    )
    return Installation(home)


@contextmanager
def serving(installation: Installation) -> Generator[Installation]:
    """The installation with its server running and ready."""
    with (installation.home / "serve.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-I", "-m", "unsay", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=clean_environment(UNSAY_HOME=str(installation.home)),
        )
    try:
        until(lambda: installation.health() or server.poll() is not None, "a ready server")
        assert server.poll() is None, (installation.home / "serve.log").read_text()
        yield installation
    finally:
        server.terminate()
        server.wait(timeout=20)


def until(look: Callable[[], Found], what: str, wait_s: float = PATIENCE_S) -> Found:
    """What `look` returns once it is true; fails naming `what` when it never is."""
    deadline = time.monotonic() + wait_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {wait_s:.0f} s for {what}")
        time.sleep(0.05)
    return found
