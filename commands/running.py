"""Finds the server of a home and speaks HTTP to it; knows nothing of how it works inside."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commands.failure import Failure
from store.home import Home

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    token: str

    def call(self, method: str, route: str, body: object = None, *, wait_s: float = 60) -> Any:
        """The JSON answer of `route`. Raises Failure with the server's own sentence."""
        request = urllib.request.Request(
            self.url + route,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with _DIRECT.open(request, timeout=wait_s) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Failure(_sentence(error)) from error
        except (OSError, json.JSONDecodeError) as error:
            raise Failure(f"the server at {self.url} did not answer: {error}") from error


def find_server(home: Home) -> Running | None:
    """The server of this home, if one runs and answers."""
    try:
        address = json.loads(home.address.read_text(encoding="utf-8"))
        found = Running(str(address["url"]), home.token.read_text(encoding="utf-8").strip())
    except (OSError, ValueError, KeyError):
        return None
    return found if health(found) is not None else None


def health(server: Running) -> dict[str, Any] | None:
    """What `/health` says, or None where nothing answers; a loading server counts, it says 503."""
    try:
        with _DIRECT.open(server.url + "/health", timeout=5) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return _body(error)
    except (OSError, json.JSONDecodeError):
        return None


def wait_until_ready(home: Home, wait_s: float, ended: Callable[[], str | None]) -> Running:
    """The server of this home once it is ready to complete; `ended` says why there is none."""
    deadline = time.monotonic() + wait_s
    said: dict[str, Any] | None = None
    while time.monotonic() < deadline:
        server = find_server(home)
        said = health(server) if server else None
        if server and said and said.get("status") != "loading":
            return server
        if why := ended():
            raise Failure(why)
        time.sleep(0.05)
    reason = said.get("reason") if said else "it wrote no address; `unsay serve` shows why"
    raise Failure(f"the server was not ready within {wait_s:.0f} s: {reason}")


def _body(error: urllib.error.HTTPError) -> dict[str, Any] | None:
    try:
        body = json.loads(error.read())
    except (OSError, json.JSONDecodeError):
        return None
    return body if isinstance(body, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _sentence(error: urllib.error.HTTPError) -> str:
    body = _body(error)
    if body and isinstance(body.get("error"), dict):
        return str(body["error"].get("message"))
    return f"the server answered {error.code} {error.reason}"
