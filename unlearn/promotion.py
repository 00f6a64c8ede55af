"""Making a generation the one that serves: through the running server, else in the store."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from store import adapters
from store.database import Database
from store.errors import PromotionConflict
from store.home import Home
from unlearn.errors import PromotionRefused

WAIT_SECONDS = 300
"""A large model takes its time to merge an adapter."""


def promote(home: Home, db: Database, name: str, *, expected: str) -> str:
    """Serve `name` if `expected` serves now; returns who did it, in one sentence.

    A server that runs checks and merges the adapter first and flips between requests. One that
    does not answer finds the pointer when it starts. Raises PromotionRefused.
    """
    if (address := _address(home.address)) is not None:
        answer = _ask_server(home, address, name, expected)
        if answer is not None:
            return answer
    try:
        adapters.promote(db, name, expected=expected)
    except PromotionConflict as error:
        raise PromotionRefused(name, str(error)) from error
    return f"{name} serves from the next start on"


def _ask_server(home: Home, address: str, name: str, expected: str) -> str | None:
    """None where no server answers, or one that is not ready: it follows the pointer by itself."""
    request = urllib.request.Request(
        f"{address}/v1/adapters/promote",
        data=json.dumps({"generation": name, "expected": expected}).encode(),
        headers={
            "Authorization": f"Bearer {_token(home.token)}",
            "Content-Type": "application/json",
        },
    )
    # the address is this machine's; a proxy of the environment has no business in between
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=WAIT_SECONDS) as response:
            report: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 503:
                return None
            raise PromotionRefused(name, _message(error)) from error
    except (urllib.error.URLError, ConnectionError):
        return None
    except TimeoutError as error:
        raise PromotionRefused(name, "the server did not answer in time") from error
    pause = report.get("pause_ms")
    return f"{name} serves now" + ("" if pause is None else f", after a pause of {pause:.1f} ms")


def _message(error: urllib.error.HTTPError) -> str:
    try:
        found: Any = json.load(error)
        return str(found["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {error.code}"


def _address(path: Path) -> str | None:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return str(found["url"]).rstrip("/")
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
