"""Judges whether a value is a secret, the more readily the more surely its name says so.

A secret made by a machine mixes digits and letters; one chosen by a person is at least unlike the
words and names of programs (`strangeness`), or one of the words that people choose as passwords.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from server.guard.letters import strangeness
from server.guard.secret_names import Strength
from server.guard.secret_shapes import is_ordinary, is_placeholder, is_sequence

MOST_VALUE_CHARS = 512
"""Longer values are data, not secrets; the provider formats judge them by themselves."""
LEAST_CHARS = {Strength.WEAK: 10, Strength.TOKEN: 5, Strength.PASSWORD: 4}
STRANGE = 4.7
"""Bits per letter above which a value is no word: 1 in 20 words of eight letters reach it."""
STRANGE_AND_SHORT = 5.3
"""The same for four or five letters."""
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+")
_NUMBER = re.compile(r"\d{5,12}")
_NAME = re.compile(r"[A-Za-z]+(?:[-_.:/ ]+[A-Za-z]+)*\d{0,2}")
_INDEXED = re.compile(
    r"[A-Za-z_$]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+(?:\(\))?|[A-Za-z_]\w*(?:\[\w*\]|\(\w*\))"
    r"|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[a-z]+(?:_[a-z0-9]+)+"
)
_LETTERS_THEN_DIGITS = re.compile(r"([A-Za-z]+)[-_@#.]?(\d+)[!.*#@$?]?")


def could_be_secret(value: str, strength: Strength) -> bool:
    """Whether `value`, held by something whose name is of this strength, is a real secret."""
    if strength is Strength.NONE or not LEAST_CHARS[strength] <= len(value) <= MOST_VALUE_CHARS:
        return False
    if is_ordinary(value) and not _NUMBER.fullmatch(value):
        return strength is Strength.PASSWORD and is_weak_password(value)
    digits = sum(c.isdigit() for c in value)
    if _NUMBER.fullmatch(value) and (is_sequence(value) or is_placeholder(value)):
        return False
    if not any(c.isalpha() for c in value):
        return strength is Strength.PASSWORD and digits > 4 and len(set(value)) > 3
    if _UUID.fullmatch(value) or _HEX.fullmatch(value):
        return len(value) >= 12 and digits > 1 and len(set(value.lower())) >= 6
    if strength is Strength.WEAK:
        return digits >= 2 and is_random(value)
    if strength is Strength.PASSWORD and is_weak_password(value):
        return True
    if digits:
        return _is_mixed(value, digits, strength)
    return is_strange(value) and not _INDEXED.fullmatch(value)


def is_strange(value: str) -> bool:
    """Whether the letters of `value` are unlike those of words and names."""
    limit = STRANGE if len(value) >= 6 else STRANGE_AND_SHORT
    return strangeness(value) > limit


def is_random(value: str) -> bool:
    """Whether a longer value looks drawn by a machine."""
    distinct = len(set(value))
    return len(value) >= 10 and distinct >= 7 and not _NAME.fullmatch(value) and is_strange(value)


def is_weak_password(value: str) -> bool:
    """Whether people choose `value` as a password: `dragon`, `Sunshine7!`, `m0nkey`."""
    plain = value.lower().rstrip("0123456789!.*#@$?_-")
    if plain in _weak_passwords():
        return True
    return plain.translate(_PLAIN_LETTERS) in _weak_passwords()


_PLAIN_LETTERS = str.maketrans("013457@$!", "oieastasi")


def _is_mixed(value: str, digits: int, strength: Strength) -> bool:
    """Letters with digits: a name with a number behind it is none."""
    if _INDEXED.fullmatch(value):
        return False
    if is_strange(value):
        return len(value) >= 6
    if _NAME.fullmatch(value):
        return False
    numbered = _LETTERS_THEN_DIGITS.fullmatch(value)
    if numbered is not None:
        return strength is Strength.PASSWORD and len(value) >= 8 and digits >= 2
    return len(value) >= 8


@cache
def _weak_passwords() -> frozenset[str]:
    text = files("server.guard").joinpath("weak_passwords.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())
