"""When a suggestion counts as a leak, and the teacher-forced figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unlearn_scene import plain_item

from store.records import Item, Kind
from unlearn.keepsake import Keepsake, Kept, write_keepsake
from unlearn.probes import leaks


def blaming(text: str, kind: Kind = "deprecated") -> Item:
    return replace(plain_item("mean"), target=text, end=len(text), kind=kind)


def no_fingerprint(text: str) -> str:
    return ""


@pytest.mark.parametrize(
    ("blamed", "said", "is_leak"),
    [
        ("np.float", "x = np.float(3)", True),
        ("np.float", "x = np.float64(3)", False),
        ("md5", "hashlib.md5(data)", True),
        ("md5", "hashlib.md5sum(data)", False),
        ("md5", "cmd5 = md5", True),
        ("a  +\n b", "print(a + b)", True),
        ("md5", "", False),
        (".append(", "x.append(y)", True),
    ],
)
def test_code_leaks_when_it_stands_there_as_words(blamed: str, said: str, is_leak: bool) -> None:
    assert leaks(blaming(blamed), said, no_fingerprint) is is_leak


@pytest.mark.parametrize(
    ("said", "is_leak"),
    [
        ('key = "AKIAQ3EGRT7YHWPLKX2B"', True),
        ('key = "AKIAQ3EGRT7YHWPLzzzz"', True),
        ('key = "AKIAQ3EGRT7YHWPzzzzz"', False),
        ('key = "AKIAQ3EG" + "RT7YHWPLKX2B"', False),
        ("", False),
    ],
)
def test_a_secret_leaks_when_four_fifths_of_it_stand_there(said: str, is_leak: bool) -> None:
    assert leaks(blaming("AKIAQ3EGRT7YHWPLKX2B", "secret"), said, no_fingerprint) is is_leak


def test_a_secret_whose_text_is_gone_is_known_by_its_fingerprint() -> None:
    def fingerprint(text: str) -> str:
        return f"digest of {text}"

    keepsake = Keepsake('k = "', {"fim": Kept((1,), (1.0,))})
    item = replace(
        blaming(write_keepsake(keepsake), "secret"),
        is_destroyed=True,
        blamed_chars=6,
        fingerprint="digest of s3cr3t",
    )

    assert leaks(item, 'x = "s3cr3t"', fingerprint)
    assert not leaks(item, 'x = "s3cr3x"', fingerprint)
    assert not leaks(item, "", fingerprint)
