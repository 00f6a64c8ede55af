"""Reads the JSON body of a request field by field; what nobody asked for is an error."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import NoReturn, TypeVar, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from server.errors import BadField, BodyTooLarge, NotJson, UnknownField

T = TypeVar("T", bound=str)


async def read_object(request: web.Request) -> Fields:
    """The request's body, which must be one JSON object; an empty body is an empty object."""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BodyTooLarge(request.client_max_size) from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise NotJson("the body cannot be read: send plain JSON") from None
    if not body:
        return Fields({})
    try:
        value: object = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotJson("the body is not JSON: send one JSON object in UTF-8") from None
    if not isinstance(value, dict):
        raise NotJson("the body is not a JSON object: send {...}")
    return Fields(cast("dict[str, object]", value))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class Fields:
    """The fields of one JSON object, taken out one by one; `done()` refuses what is left.

    A field that is absent or null has its default; without a default it is required.
    """

    def __init__(self, values: dict[str, object], where: str = "") -> None:
        self._left = dict(values)
        self._where = where
        self._known: list[str] = []

    def text(self, name: str, *, most: int | None = None) -> str:
        found = self.text_or_none(name, most=most)
        if found is None:
            raise BadField(f"'{self._where}{name}' is missing: give it as a string")
        return found

    def text_or_none(self, name: str, *, most: int | None = None) -> str | None:
        value = self._take(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise BadField(f"'{self._where}{name}' must be a string, not {_kind_of(value)}")
        if most is not None and len(value) > most:
            raise BadField(f"'{self._where}{name}' is longer than {most} characters: shorten it")
        if not _is_unicode(value):
            raise BadField(f"'{self._where}{name}' holds half a surrogate pair: send valid Unicode")
        return value

    def texts(self, name: str, *, most: int) -> tuple[str, ...]:
        """A string or a list of at most `most` strings, none of them empty."""
        value = self._take(name)
        if value is None:
            return ()
        found = cast("list[object]", value) if isinstance(value, list) else [value]
        strings = tuple(one for one in found if isinstance(one, str) and one and _is_unicode(one))
        if len(strings) != len(found) or len(strings) > most:
            raise BadField(
                f"'{self._where}{name}' must be a string or a list of at most {most} strings, "
                "none of them empty"
            )
        return strings

    def choice(self, name: str, choices: Collection[T], default: T | None = None) -> T:
        value = self.text_or_none(name) if default is not None else self.text(name)
        if value is None:
            assert default is not None
            return default
        for choice in choices:
            if value == choice:
                return choice
        raise BadField(f"'{self._where}{name}' must be one of {', '.join(choices)}")

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        found = self.whole_or_none(name, least=least, most=most)
        return default if found is None else found

    def whole_or_none(self, name: str, *, least: int, most: int) -> int | None:
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise BadField(
                f"'{self._where}{name}' must be a whole number between {least} and {most}"
            )
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        value = self._take(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadField(f"'{self._where}{name}' must be a number, not {_kind_of(value)}")
        if not math.isfinite(value) or not least <= value <= most:
            raise BadField(f"'{self._where}{name}' must be between {least:g} and {most:g}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadField(f"'{self._where}{name}' must be true or false, not {_kind_of(value)}")
        return value

    def inner(self, name: str) -> Fields:
        """A nested object; absent, an empty one."""
        value = self._take(name)
        if value is None:
            return Fields({}, f"{self._where}{name}.")
        if not isinstance(value, dict):
            raise BadField(f"'{self._where}{name}' must be an object, not {_kind_of(value)}")
        return Fields(cast("dict[str, object]", value), f"{self._where}{name}.")

    def unused(self, name: str, *harmless: object) -> None:
        """A field we know but do not follow: accepted as long as its value asks for nothing."""
        value = self._take(name)
        if value is not None and value not in harmless:
            raise BadField(f"'{self._where}{name}' is not supported here: leave it out")

    def done(self) -> None:
        if self._left:
            name = next(iter(self._left))
            raise UnknownField(
                f"'{self._where}{name[:80]}' is not a field of this request: leave it out; "
                f"known are {', '.join(self._known) or 'none'}"
            )

    def _take(self, name: str) -> object:
        self._known.append(name)
        return self._left.pop(name, None)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind_of(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
