"""The table of provider tokens: every kind is found, and what only resembles it is not."""

from __future__ import annotations

import re
from zlib import crc32

import pytest
from drawn_tokens import drawn, filled

from server.guard.token_checks import has_fitting_checksum
from server.guard.tokens import TokenFormat, find_tokens, token_formats

INDEXES = {one.rule: index for index, one in enumerate(token_formats())}
FORMATS = {one.rule: one for one in token_formats()}
TOLD_BY_THEIR_MARK = {"aws-bedrock-short-key"}
"""Their mark is so long that it tells enough, whatever follows."""
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def drawn_with_digits(one: TokenFormat) -> str:
    """A value without a mark of its own counts only with two digits: most that are drawn have."""
    tries = (drawn(one.body, f"{one.rule} {n}") for n in range(20))
    return next(text for text in tries if not one.beside or sum(map(str.isdigit, text)) > 2)


TOKENS = {one.rule: drawn_with_digits(one) for one in token_formats()}


def line_with(token_format: TokenFormat, token: str, before: str = "") -> str:
    words = token_format.beside.split() or token_format.keywords
    is_told_by_name = not any(word in token.lower() for word in words)
    name = f"{words[0]}_key" if is_told_by_name or token_format.beside else "value"
    return f'{name} = "{before}{token}"'


def rules(line: str) -> set[str]:
    return {found.format.rule for found in find_tokens(line)}


def found_as(rule: str, line: str) -> list[str]:
    return [line[one.start : one.end] for one in find_tokens(line, [INDEXES[rule]])]


def test_the_table_has_at_least_two_hundred_kinds_with_name_issuer_and_source() -> None:
    assert len(FORMATS) >= 200
    for one in FORMATS.values():
        assert one.issuer, one.rule
        assert re.fullmatch(r"(An?|The|Credentials) .+", one.name), one.rule
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", one.environment), one.rule
        assert one.source.startswith("https://"), one.rule


def test_every_keyword_of_the_table_is_in_lower_case() -> None:
    for one in FORMATS.values():
        assert one.keywords, one.rule
        assert all(word == word.lower() for word in one.keywords), one.rule


def test_a_drawn_token_of_every_kind_is_found_whole() -> None:
    missed = {
        rule: token
        for rule, token in TOKENS.items()
        if found_as(rule, line_with(FORMATS[rule], token)) != [token]
    }

    assert missed == {}


def test_every_token_or_its_name_has_a_keyword_of_its_kind() -> None:
    for rule, token in TOKENS.items():
        line = line_with(FORMATS[rule], token).lower()
        assert any(word in line for word in FORMATS[rule].keywords), rule


def test_a_token_in_the_middle_of_a_word_or_without_its_name_is_none() -> None:
    for rule, token in TOKENS.items():
        one = FORMATS[rule]
        line = f'value = "{token}"' if one.beside else line_with(one, token, before="_")
        assert found_as(rule, line) == [], rule


def test_a_filling_of_one_letter_is_no_token() -> None:
    for rule in FORMATS.keys() - TOLD_BY_THEIR_MARK:
        line = line_with(FORMATS[rule], filled(FORMATS[rule].body, rule))
        assert found_as(rule, line) == [], rule


@pytest.mark.parametrize(
    "line",
    [
        'key = "AKIA" + "X" * 16',
        'key = "AKIAIOSFODNN7EXAMPLE"',
        'token = "dapi' + '0123456789abcdef0123456789abcdef"',
        'token = "ghp_' + 'x" * 36',
        'token = "npm_' + 'abcdefghijklmnopqrstuvwxyz0123456789"',
        'const icon = "bookmark-ico-32x7kQ2mZx9Lp4Rt8Vw1Yb5Nc3Hd6Jf.png"',
        'name = "API-VIRTUALSERVERCONFIGURATIONS"',
        'image = "tool@sha256:eaaa9d04c3b7f1e2a8560c3d9e7b4f21a6058c9d3e7f1b24a9c6d8e0f3b5a719"',
        "SetSyncState(abc, value = 'k2j4h5g6f7d8s9a1q2w3e4r5')",
    ],
)
def test_what_only_resembles_a_token_is_none(line: str) -> None:
    assert rules(line) == set()


def test_a_checksum_that_fits_is_seen() -> None:
    number, places = crc32(b"q7Rw2" * 6), ""
    for _ in range(6):
        number, place = divmod(number, 62)
        places = BASE62[place] + places
    token = "ghp" + "_" + "q7Rw2" * 6 + places

    assert has_fitting_checksum(token, "crc32-base62")
    assert not has_fitting_checksum(token[:-1] + "!", "crc32-base62")
    assert not has_fitting_checksum(token, "")
