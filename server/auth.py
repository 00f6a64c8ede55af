"""Who may speak to the server: a program of this user that read the token, no web page."""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass

from aiohttp import hdrs, web

from server.errors import ForeignHost, ForeignOrigin, WrongToken
from store.errors import HomeUnwritable
from store.home import Home

OPEN_PATHS = frozenset({"/health"})
"""Served without a token, so that a client can find out why it has none."""

_NAMES = ("127.0.0.1", "localhost", "[::1]")


def read_or_make_token(home: Home) -> str:
    """The bearer token of this home; made on first use, readable by its owner alone."""
    try:
        try:
            descriptor = os.open(home.token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            os.chmod(home.token, 0o600)
        else:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32))
        token = home.token.read_text("ascii").strip()
        if not token:  # a full disk, or a kill between creating and writing
            home.token.unlink()
            return read_or_make_token(home)
    except OSError as error:
        raise HomeUnwritable(home.root, error.strerror or str(error)) from error
    return token


@dataclass(frozen=True)
class Gatekeeper:
    """Checks the headers of each request."""

    token: str
    port: int

    def check(self, request: web.Request) -> None:
        """Raises ForeignHost, ForeignOrigin or WrongToken."""
        ours = tuple(f"{name}:{self.port}" for name in _NAMES)
        # another name that resolves to this machine is how a web page would reach us
        if request.headers.getall(hdrs.HOST, []) not in [[host] for host in ours]:
            raise ForeignHost(f"this server answers as {ours[0]} only: use http://{ours[0]}")
        origins = request.headers.getall(hdrs.ORIGIN, [])
        if origins and origins not in [[f"http://{host}"] for host in ours]:
            raise ForeignOrigin("web pages of other origins may not use this server")
        if request.path not in OPEN_PATHS:
            self._check_token(request)

    def _check_token(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        wanted = self.token.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode(errors="replace"), wanted
        ):
            raise WrongToken(
                "send the header 'Authorization: Bearer <token>' with the content of the file "
                "'token' in Unsay's home (unsay doctor shows where that is)"
            )
