"""Ledger items that are said in another form, and ordinary code that looks a little like one."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace

import pytest
from test_guard_ledger_match import item

from server.guard.finding import Case
from server.guard.ledger_match import LedgerDetector
from store.records import Item

MEAN = "return total / len(values)"
LOOP = "for i in range(len(values)):\n    total += values[i] * weights[i]"
SECRET = "vX9rTq2LmZ7pwKc4" + "NdB81HyU"


def user_item(text: str) -> Item:
    return item("", text, text, "user")


def found(items: list[Item], suggestion: str, prefix: str = "", suffix: str = "") -> list[str]:
    """The texts that are flagged."""
    detector = LedgerDetector()
    detector.set_items(items)
    findings = detector.find(Case(prefix, suggestion, suffix, "python"))
    return [suggestion[one.start : one.end] for one in findings]


@pytest.mark.parametrize(
    "said",
    [
        "return total/len( values )",
        "return  total / len(\n    values\n)",
        "return total /\\\n len(values)",
    ],
)
def test_a_reformatted_item_is_found(said: str) -> None:
    expected = [] if "\\" in said else [said]

    assert found([user_item(MEAN)], said) == expected


def test_other_quotes_are_the_same_text() -> None:
    said = "connect(host='db.internal.example', port=1)"

    assert found([user_item('connect(host="db.internal.example", port=1)')], said) == [said]


def test_a_renamed_item_is_found_only_if_each_name_stands_for_one() -> None:
    renamed = "for j in range(len(xs)):\n    s += xs[j] * ws[j]"
    mixed = "for j in range(len(xs)):\n    s += xs[j] * xs[j]"
    called = "for j in reversed(list(xs)):\n    s += xs[j] * ws[j]"

    assert found([user_item(LOOP)], renamed) == [renamed]
    assert found([user_item(LOOP)], mixed) == []
    assert found([user_item(LOOP)], called) == []


SHORT = 'frame.sort_values(column, ascending=False, na_position="first")'
SHORT_RENAMED = 'table.sort_values(key, ascending=False, na_position="first")'


def test_a_short_item_that_names_a_rare_api_is_found_renamed() -> None:
    assert found([user_item(SHORT)], SHORT_RENAMED) == [SHORT_RENAMED]
    assert found([user_item(SHORT)], SHORT_RENAMED.replace("sort_values", "sort_index")) == []
    assert found([user_item(SHORT)], SHORT_RENAMED.replace("ascending", "descending")) == []


def test_of_few_tokens_with_other_names_is_only_hinted_at() -> None:
    text, said = "x = pool.map_async(job.run_twice)", "y = workers.map_async(task.run_twice)"
    detector = LedgerDetector()
    detector.set_items([user_item(text), user_item(LOOP)])

    severities = [
        one.severity
        for each in (said, "for j in range(len(xs)):\n    s += xs[j] * ws[j]")
        for one in detector.find(Case("", each, "", "python"))
    ]

    assert severities == ["low", "high"]


def test_the_more_items_there_are_the_more_must_agree() -> None:
    short, renamed = "rows = client.fetch_many(query.text)", "xs = db.fetch_many(sql.text)"
    others = [user_item(f"call_{n}(value_{n}, {n})") for n in range(5000)]

    assert found([user_item(short)], renamed) == [renamed]
    assert found([user_item(short), *others], renamed) == []


def test_an_import_of_other_names_is_no_form_of_an_import() -> None:
    item = "from email.mime.multipart import MIMEMultipart, MIMENonMultipart"

    assert found([user_item(item)], "from email.mime.multipart import Other, Another") == []


def test_words_of_a_string_may_be_names_elsewhere() -> None:
    item = 'raise ValueError("bad character in group name %r" % name)'
    said = 'raise ValueError("bad character in group name %r" % group_name)'

    assert found([user_item(item)], said) == [said]


def test_the_tail_that_a_ban_lets_through_is_found() -> None:
    assert found([user_item(MEAN)], "turn total / len(values)") == ["turn total / len(values)"]
    assert found([user_item(MEAN)], "total / len(values)", "    ") == ["total / len(values)"]


@pytest.mark.parametrize(
    "said",
    [
        "mean = total / len(values)",
        "return amount / len(items)",
        "return total / len(value)",
        "return total",
        "x = y\nz = total / len(values)",
    ],
)
def test_code_that_shares_the_idea_of_a_short_item_is_not_flagged(said: str) -> None:
    assert found([user_item(MEAN)], said) == []


def test_forty_tokens_of_a_long_item_are_found() -> None:
    lines = [f"row_{n} = table.read(key_{n}, default={n})" for n in range(12)]
    part = "\n".join(lines[4:8])

    assert found([user_item("\n".join(lines))], part) == [part]
    assert found([user_item("\n".join(lines))], lines[5]) == []


def test_a_variant_that_the_user_has_written_is_theirs() -> None:
    renamed = "for j in range(len(xs)):\n    s += xs[j] * ws[j]"

    assert found([user_item(LOOP)], renamed, prefix=f"{renamed}\n") == []


@pytest.mark.parametrize("part", [SECRET[:18], SECRET[-18:], "AAAA" + SECRET[-18:]])
def test_the_greater_part_of_a_secret_is_found(part: str) -> None:
    secret = item("", SECRET, SECRET, "secret")

    (text,) = found([secret], f'key = "{part}"')

    assert text in SECRET and len(text) >= 18


@pytest.mark.parametrize("part", [SECRET[:14], SECRET[-14:], SECRET[4:20], SECRET.lower()])
def test_little_of_a_secret_is_not(part: str) -> None:
    assert found([item("", SECRET, SECRET, "secret")], f'key = "{part}"') == []


def test_a_connection_string_is_not_another_with_the_same_names() -> None:
    text = "postgres://ann:" + "Vx9qTr2L" * 2 + "@one.example/shop?mode=verify&name=x"
    other = "postgres://bob:" + "mK4wYz7P" * 2 + "@two.example/shop?mode=verify&name=x"

    assert found([item("", text, text, "secret")], f'url = "{other}"') == []


@pytest.mark.parametrize("quote", ['"', "'", "`"])
def test_a_destroyed_secret_is_found_in_any_quotes(quote: str) -> None:
    blamed = f"'{SECRET}'"
    destroyed = replace(item("", blamed, blamed, "secret"), target=None, is_destroyed=True)
    detector = LedgerDetector()
    detector.set_items([destroyed], lambda text: hashlib.sha256(text.encode()).hexdigest())

    said = f"key = {quote}{SECRET}{quote}"

    findings = detector.find(Case("", said, "", "python"))

    assert [said[one.start : one.end] for one in findings] == [SECRET]


def test_items_come_and_go_without_the_others_being_read_again() -> None:
    old = [user_item(f"value_{n} = compute({n}, {n * 7}, mode={n})") for n in range(1000)]
    new = user_item(MEAN)
    detector = LedgerDetector()
    detector.set_items(old)
    case = Case("", f"{old[3].target}\n{MEAN}\n", "", "python")

    counts: list[int] = []
    for items in ([*old, new], old, old[:3] + old[4:] + [new], [new], []):
        detector.set_items(items)
        counts.append(len(detector.find(case)))

    assert counts == [2, 1, 1, 1, 0]


def test_the_same_text_in_many_items_is_found_again() -> None:
    items = [item(f"place {n}\n", MEAN, MEAN, "user") for n in range(50)]

    assert found(items, "return total/len( values )") == ["return total/len( values )"]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200_000,
        "return total / len(value) " * 20_000,
        "\x00\ud800\u2400" * 50_000,
        '"' * 100_000,
        "a\n" * 300_000,
    ],
    ids=["brackets", "nearly", "signs", "quotes", "lines"],
)
def test_a_hostile_suggestion_takes_bounded_time(text: str) -> None:
    detector = LedgerDetector()
    detector.set_items([user_item(MEAN), user_item(LOOP), item("", SECRET, SECRET, "secret")])
    began = time.thread_time()

    detector.find(Case(text[:5000], text, text, "python"))

    assert time.thread_time() - began < 1.0


def test_hostile_items_are_taken() -> None:
    detector = LedgerDetector()
    detector.set_items([user_item(text) for text in ("\u2400" * 50, "(" * 5000, "\x00" * 20)])

    assert detector.find(Case("", "x = 1\n", "", "python")) == []
