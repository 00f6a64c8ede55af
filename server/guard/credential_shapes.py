"""Secrets that their surroundings give away: passwords in addresses, headers, bodies of keys."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from server.guard.secret_names import Strength
from server.guard.secret_shapes import is_ordinary, is_placeholder
from server.guard.secret_values import could_be_secret, is_strange

_ADDRESS = re.compile(
    r"""[A-Za-z][\w+.-]{1,20}://[^\s:/?#@"'`<>]{0,80}:(?P<value>[^\s/?#@"'`]{3,120})@"""
)
_BASIC = re.compile(r"(?i:basic) {1,2}(?P<value>[A-Za-z0-9+/_-]{6,400}={0,2})(?![A-Za-z0-9+/=])")
_BEARER = re.compile(
    r"(?i:bearer|authorization['\"]?[:=,] ?['\"]?token) (?P<value>[\w.~+/=-]{8,2000})"
)
# The first bytes of the DER form of a private key, which says `version 0 or 1` where a certificate
# or a public key says something else (RFC 8017, 5208, 5915, 8410), and of OpenSSH's own form.
_KEY_BODY = re.compile(
    r"(?<![A-Za-z0-9+/])(?P<value>(?:MII[A-P][A-Za-z0-9+/][AQgw]IBA[A-D]|MI[GH][A-Za-z0-9+/]{1,2}"
    r"AgE[AB]|MHcCAQEE|MGgCAQEE|MC4CAQAw|b3BlbnNzaC1rZXktdjE)[A-Za-z0-9+/=]{16,8000})"
)
# Modular crypt format: bcrypt, MD5, SHA-2, Argon2, and Django's PBKDF2 (crypt(5), PHC strings).
_PASSWORD_HASH = re.compile(
    r"(?P<value>\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$[156]\$[^$\s]{1,32}\$[./A-Za-z0-9]{22,86}"
    r"|\$argon2i?d?\$[^\s\"']{20,200}|pbkdf2_sha\d{1,3}\$\d{1,8}\$\w{4,40}\$[A-Za-z0-9+/=]{20,90})"
)


@dataclass(frozen=True, slots=True)
class ShapedSecret:
    """A secret at [start, end) of a text."""

    rule: str
    what: str
    start: int
    end: int


@dataclass(frozen=True)
class Shape:
    """One such surrounding; tried only where one of its keywords (lower case) occurs."""

    rule: str
    what: str
    keywords: tuple[str, ...]
    pattern: re.Pattern[str]
    is_real: Callable[[str], bool]


def find_shaped(text: str, shapes: set[int]) -> Iterator[ShapedSecret]:
    """The secrets of these shapes (indexes of SHAPES) in `text`."""
    for index in sorted(shapes):
        shape = SHAPES[index]
        for match in shape.pattern.finditer(text):
            if shape.is_real(match["value"]):
                start, end = match.span("value")
                yield ShapedSecret(shape.rule, shape.what, start, end)


def _is_password(value: str) -> bool:
    return could_be_secret(value, Strength.PASSWORD)


def _is_basic(value: str) -> bool:
    """Base64 of `user:password`, or something as random as it."""
    if is_placeholder(value):
        return False
    try:
        plain = b64decode(value + "=" * (-len(value) % 4), validate=True)
        user, colon, password = plain.partition(b":")
        if colon and plain.isascii() and plain.decode("ascii").isprintable():
            return bool(user) and len(password) > 3 and not is_ordinary(password.decode("ascii"))
    except BadBase64:
        return False
    return len(value) >= 8 and is_strange(value) and any(c.isupper() for c in value[1:])


def _is_bearer(value: str) -> bool:
    return could_be_secret(value, Strength.TOKEN)


def _is_key(value: str) -> bool:
    return not is_placeholder(value)


SHAPES = (
    Shape("connection-string", "A password inside an address", ("://",), _ADDRESS, _is_password),
    Shape("basic-auth-header", "A basic-auth header", ("basic ",), _BASIC, _is_basic),
    Shape(
        "bearer-header",
        "A bearer token in a header",
        ("bearer ", "authorization"),
        _BEARER,
        _is_bearer,
    ),
    Shape(
        "private-key",
        "The body of a private key",
        ("mii", "mig", "mih", "mhccaqee", "mggcaqee", "mc4caqaw", "b3blbnnzac1rzxktdje"),
        _KEY_BODY,
        _is_key,
    ),
    Shape(
        "password-hash",
        "The hash of a password",
        ("$2a$", "$2b$", "$2x$", "$2y$", "$1$", "$5$", "$6$", "$argon2", "pbkdf2_sha"),
        _PASSWORD_HASH,
        _is_key,
    ),
)
