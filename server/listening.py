"""What makes a server findable and the only one of its home: lock, port, `server.json`."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout

from server import VERSION
from server.config import HOST
from server.errors import AlreadyServing, NotStarted, PortTaken
from store.errors import HomeUnwritable
from store.home import Home
from store.stamp import now


@contextmanager
def only_server(home: Home) -> Generator[None]:
    """Holds the home's lock; raises AlreadyServing. The kernel lets go of it at any death."""
    lock = FileLock(home.serve_lock, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AlreadyServing(str(home.root), known_url(home)) from None
    except OSError as error:
        raise HomeUnwritable(home.root, error.strerror or str(error)) from error
    try:
        yield
    finally:
        lock.release()


def open_port(port: int) -> socket.socket:
    """A socket that listens on the loopback; raises PortTaken, NotStarted."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port) from error
        raise NotStarted(
            f"port {port} cannot be opened ({error.strerror}): choose another with --port, "
            "or --port 0 for any free one"
        ) from error


@contextmanager
def announced(home: Home, port: int) -> Generator[str]:
    """Yields the address, which stands in `server.json` as long as the block runs."""
    url = f"http://{HOST}:{port}"
    about = {"url": url, "pid": os.getpid(), "version": VERSION, "started_at": now()}
    try:
        _write_private(home.address, json.dumps(about))
    except OSError as error:
        raise HomeUnwritable(home.root, error.strerror or str(error)) from error
    try:
        yield url
    finally:
        with suppress(OSError):
            home.address.unlink()


def known_url(home: Home) -> str | None:
    """Where the server of this home says it listens."""
    try:
        about: object = json.loads(home.address.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(about, dict):
        return None
    url = cast("dict[str, object]", about).get("url")
    return url if isinstance(url, str) else None


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all: a client may read it at any moment."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
