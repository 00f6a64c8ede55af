"""Where the server listens and how to prove that we may speak to it: two small files at home."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lsp.errors import ServerUnreachable

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Address:
    """A server on this machine."""

    url: str
    token: str


def read_address(home: Path) -> Address:
    """The address in `home`; raises ServerUnreachable when there is none to be used.

    A url that leaves this machine is refused: source text must not follow a changed file.
    """
    try:
        written = json.loads((home / "server.json").read_text(encoding="utf-8"))
        url = str(written["url"]).rstrip("/")
        token = (home / "token").read_text(encoding="ascii").strip()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServerUnreachable(
            "no Unsay server is running here: start one with `unsay serve`"
        ) from error
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise ServerUnreachable(
            f"{home / 'server.json'} points outside this machine: delete it and restart the server"
        )
    return Address(url=url, token=token)
