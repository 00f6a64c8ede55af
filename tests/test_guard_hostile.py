"""Input that is made to break the guard: bounded time, no crash."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from server.guard.config import GuardConfig
from server.guard.finding import Case
from server.guard.guard import Guard
from server.guard.patterns import hint_codes
from server.guard.ruff_server import RuffServer

SECONDS = 4.0
"""Processor time: what the tests' machine does besides does not count."""
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    guard = Guard(GuardConfig(index_packages=False))
    assert guard.wait(20)
    yield guard
    guard.close()


INPUTS = {
    "a line of one letter": "a" * MEGABYTE,
    "a line of quotes": '"' * MEGABYTE,
    "a line of open brackets": "(" * 100_000,
    "a line of token letters": "password=" * 100_000,
    "one long literal": 'x = "' + "k7Q" * 300_000 + '"',
    "many assignments": "password = 'k7Qw2mZx9Lp4'\n" * 5_000,
    "addresses": "http://" * 100_000,
    "dashes": "-----BEGIN PRIVATE KEY-----" * 20_000,
    "tokens": "eyJ" * 200_000,
    "deep nesting": "x = " + "[" * 5_000 + "]" * 5_000,
    "deep calls": "f(" * 3_000 + "hashlib.md5(x)" + ")" * 3_000,
    "deep blocks": "".join(" " * n + "if x:\n" for n in range(400)),
    "control characters": "hashlib.md5(x)\x00\x01\x0b\x0c\x1c\u2028\x85 = password",
    "lone surrogates": 'password = "\ud800\udfff' + "k7Qw2mZx9Lp4\udc80" + '"; hashlib.md5(x)',
    "only surrogates": "\udc80" * 1000,
    "mixed line ends": "hashlib.md5(x)\r\nhashlib.md5(y)\rhashlib.md5(z)\n",
    "a backslash at the end": 'x = "abc\\',
    "letters that grow when lowered": "İ" * 10_000 + "AKIA",
    "nothing": "",
    "white space": " \t\n" * 10_000,
    "assignments without values": "token: " * 50_000,
    "sql": "SELECT " * 50_000,
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("language", ["python", "javascript", "yaml"])
def test_a_hostile_suggestion_is_answered_in_bounded_time(
    guard: Guard, name: str, language: str
) -> None:
    began = time.process_time()

    review = guard.review(Case("import hashlib\n", INPUTS[name], "\n", language))

    assert time.process_time() - began < SECONDS
    assert review.action in (None, "blocked", "patched", "warned")
    for found in review.findings:
        assert 0 <= found.start < found.end <= len(INPUTS[name])


@pytest.mark.parametrize("name", INPUTS)
def test_a_hostile_file_around_the_cursor_is_answered_in_bounded_time(
    guard: Guard, name: str
) -> None:
    began = time.process_time()

    guard.review(Case(INPUTS[name], "y = hashlib.md5(x)", INPUTS[name], "python"))

    assert time.process_time() - began < SECONDS


def test_ruff_takes_our_configuration_and_not_its_own_default() -> None:
    ruff = RuffServer(hint_codes())
    ruff.start()
    assert ruff.wait(20)

    said = ruff.diagnose("import os\nx = undefined\nopen('/tmp/x')\n", 5000)
    ruff.close()

    assert [one.code for one in said if not one.code.startswith("S")] == []
    assert said
