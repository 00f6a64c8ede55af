"""How ledger items are found again in a suggestion."""

from __future__ import annotations

import hashlib
import random
import time
from dataclasses import replace

from server.guard.finding import Case, Finding
from server.guard.ledger_match import LedgerDetector
from server.guard.text_pass import TextPass
from store.records import Item, Kind


def item(prefix: str, target: str, blamed: str, kind: Kind, rule: str = "some-rule") -> Item:
    start = target.index(blamed)
    return Item(
        id="0" * 32,
        created_at="2026-11-20T10:00:00.000Z",
        state="banned",
        kind=kind,
        rule=rule,
        language="python",
        origin="guard",
        path=None,
        prefix=prefix,
        suffix="",
        target=target,
        start=start,
        end=start + len(blamed),
        replacement=None,
        fingerprint=hashlib.sha256(blamed.encode()).hexdigest(),
        context="",
        blamed_chars=len(blamed),
        verified=0,
        forgotten_in=None,
        suggestion=None,
        message=None,
    )


def find(items: list[Item], prefix: str, suggestion: str) -> list[Finding]:
    detector = LedgerDetector()
    detector.set_items(items)
    return list(detector.find(Case(prefix, suggestion, "", "python")))


MD5 = item("import hashlib\nx = ", "hashlib.md5(data)", "md5", "insecure", "S324")
SHELL = item("", "subprocess.call(cmd, shell=True)", "shell=True", "insecure", "S602")
LOOP = item("", "for a in  b:\n    total += a * weight[a]", "total += a * weight[a]", "user")
SECRET = item('KEY = "', "aXk93_kZ", "aXk93_kZ", "secret")


def test_a_long_text_is_found_whatever_its_white_space() -> None:
    found = find([LOOP], "", "x = 1\ntotal  +=\ta * weight[a]\n")

    assert [(one.kind, one.start, one.end) for one in found] == [("forgotten", 6, 29)]


def test_a_text_that_the_user_began_is_found_in_the_rest() -> None:
    found = find([LOOP], "    total += a ", "* weight[a]")

    assert [(one.start, one.end) for one in found] == [(0, 11)]


def test_the_message_says_which_rule_and_since_when() -> None:
    (found,) = find([SECRET], 'KEY = "', "aXk93_kZ")

    assert "2026-11-20" in found.message and "some-rule" in found.message
    assert "aXk93_kZ" not in found.message
    assert found.rule == "ledger:some-rule"


def test_a_short_name_is_found_only_with_the_same_dotted_name_around_it() -> None:
    assert len(find([MD5], "y = ", "hashlib.md5(other)")) == 1
    assert find([MD5], "", "md5 = read_md5_file()") == []
    assert find([MD5], "y = ", "zlib.md5(other)") == []


def test_a_short_argument_is_found_only_in_the_same_call() -> None:
    assert len(find([SHELL], "", "subprocess.call(['a', x(1)], shell=True)")) == 1
    assert find([SHELL], "", "run_task(cmd, shell=True)") == []
    assert len(find([SHELL], "subprocess.call(a, ", "shell=True)")) == 1


def test_a_secret_is_found_without_the_quotes_it_was_blamed_with() -> None:
    quoted = item("KEY = ", '"aXk93_kZqq"', '"aXk93_kZqq"', "secret")

    assert len(find([quoted], 'KEY = "', "aXk93_kZqq")) == 1


def test_part_of_a_longer_word_is_no_match() -> None:
    assert find([SECRET], "", "baXk93_kZc") == []


def test_a_destroyed_secret_is_found_by_its_fingerprint() -> None:
    secret = "vX9rTq2LmZ7pw"
    whole = item("", secret, secret, "secret")
    destroyed = replace(whole, target=None, is_destroyed=True)
    detector = LedgerDetector()
    detector.set_items([destroyed], lambda text: hashlib.sha256(text.encode()).hexdigest())

    found = detector.find(Case("", f'password = "{secret}"', "", "python"))

    assert [(one.start, one.end) for one in found] == [(12, 25)]


def test_ten_thousand_items_cost_less_than_a_millisecond() -> None:
    items = [
        item("", f"value_{n} = compute({n}, {n * 7})", f"compute({n}, {n * 7})", "user")
        for n in range(10_000)
    ]
    detector = LedgerDetector()
    detector.set_items(items)
    case = Case("x = 1\n" * 50, "    result = other(1, 2)\n" * 20, "", "python")
    detector.find(case)
    times: list[float] = []
    for _ in range(50):
        began = time.thread_time()
        detector.find(case)
        times.append(time.thread_time() - began)

    assert sorted(times)[5] < 0.001  # what others do to the processor only adds


def test_one_pass_finds_every_text_in_the_order_of_the_ends() -> None:
    source = random.Random(5)

    def drawn(least: int, most: int) -> str:
        return "".join(source.choices("ab é", k=source.randint(least, most)))

    known = {text: text for text in (drawn(3, 12) for _ in range(60))}
    said = drawn(2000, 2000) + "".join(known)

    hits = list(TextPass(known).hits(said))

    ends = range(1, len(said) + 1)
    longest_first = sorted(known, key=len, reverse=True)
    assert hits == [(end, one) for end in ends for one in longest_first if said[:end].endswith(one)]
