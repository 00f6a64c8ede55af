"""Judges a string of a token's format: drawn by a machine, or written to look like one."""

from __future__ import annotations

import re
from collections import Counter
from math import log2
from string import ascii_lowercase, ascii_uppercase, digits
from zlib import crc32

from server.guard.secret_shapes import is_placeholder, is_sequence
from server.guard.secret_values import is_strange

CHECKSUMS = frozenset({"crc32-base62"})
_BASE62 = digits + ascii_uppercase + ascii_lowercase
_DIGIT = re.compile(r"\d")
_MARK = re.compile(r"(?:[a-z]{1,8}_){1,3}")
_HEX = re.compile(r"[0-9a-fA-F-]+")
_SAME = re.compile(r"([^A=])\1{5}")
LEAST_DIGITS = 2
"""Of a bare value: a name of the same length has none or one."""
LEAST_BITS = 3.0
"""Of 24 characters drawn from 16 one in ten thousand has less."""
_STEPS = "01234567890", "abcdefghijklmnop"


def is_drawn(value: str) -> bool:
    """Whether a token with a mark of its own is more than its mark and a filling."""
    lowered = value.lower()
    return not (
        is_placeholder(value)
        or len(set(lowered)) < min(10, len(value) // 3)
        or _SAME.search(value)
        or (len(value) >= 24 and _bits(lowered) < LEAST_BITS)
        or _is_words(value)
        or any(step[at : at + 8] in lowered for step in _STEPS for at in range(len(step) - 7))
    )


def is_drawn_bare(value: str) -> bool:
    """Whether a value of a kind without a telling mark looks drawn by its digits and letters."""
    body = value[mark.end() :] if (mark := _MARK.match(value)) else value
    count = sum(character.isdigit() for character in body)
    return (
        count >= LEAST_DIGITS
        and (is_strange(body) or _HEX.fullmatch(body) is not None)
        and is_drawn(value)
        and not is_sequence(value.lower())
    )


def has_fitting_checksum(value: str, checksum: str) -> bool:
    """Whether the last six characters are the CRC32 of those between mark and checksum.

    GitHub and npm write it in base 62 behind the random part (sources in the table).
    """
    if checksum != "crc32-base62":
        return False
    _, _, tail = value.rpartition("_")
    number, places = crc32(tail[:-6].encode()), ""
    for _ in range(6):
        number, place = divmod(number, 62)
        places = _BASE62[place] + places
    return tail[-6:] == places


def _is_words(value: str) -> bool:
    """Letters of one case that read like words: `API-VIRTUALSERVERCONFIGURATIONS`."""
    one_case = value.isupper() or value.islower()
    return one_case and len(value) >= 24 and not (_DIGIT.search(value) or is_strange(value))


def _bits(text: str) -> float:
    """Shannon's entropy of the characters, in bits."""
    length = len(text)
    return -sum(n / length * log2(n / length) for n in Counter(text).values())
