"""Reads the query string of a request, as strictly as a body."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from aiohttp import web

from server.errors import BadField, UnknownField

T = TypeVar("T", bound=str)


class Query:
    """The parameters of one request, taken out one by one; `done()` refuses what is left."""

    def __init__(self, request: web.Request) -> None:
        self._left = dict(request.query)
        self._known: list[str] = []

    def choice(self, name: str, choices: Collection[T]) -> T | None:
        value = self._take(name)
        if value is None:
            return None
        for choice in choices:
            if value == choice:
                return choice
        raise BadField(f"'{name}' must be one of {', '.join(choices)}")

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self._take(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or not least <= int(value[:12]) <= most:
            raise BadField(f"'{name}' must be a whole number between {least} and {most}")
        return int(value)

    def done(self) -> None:
        if self._left:
            raise UnknownField(
                f"'{next(iter(self._left))[:80]}' is not a parameter of this address: "
                f"leave it out; known are {', '.join(self._known) or 'none'}"
            )

    def _take(self, name: str) -> str | None:
        self._known.append(name)
        return self._left.pop(name, None)
