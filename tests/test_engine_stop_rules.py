"""Where completions end: tables of texts."""

from __future__ import annotations

import pytest

from server.engine.brackets import closed_brackets, open_brackets, open_quote, surplus_closer
from server.engine.stop_rules import (
    EditorEnds,
    block_end,
    line_of_suffix,
    next_line,
    quoted_end,
    repetition,
    stop_string,
    suffix_overlap,
)


@pytest.mark.parametrize(
    ("text", "stop", "kept"),
    [
        ("a = 1\n\nb", ("\n\n",), "a = 1"),
        ("abc;def//", ("//", ";"), "abc"),
        ("abc", ("x",), None),
        ("abc", (), None),
    ],
)
def test_stop_strings(text: str, stop: tuple[str, ...], kept: str | None) -> None:
    assert _kept(text, stop_string(text, stop)) == kept


@pytest.mark.parametrize(
    ("cursor_line", "text", "kept"),
    [
        # below the cursor's line
        ("    return ", "x\nprint(y)", "x"),
        ("    return ", "x\n\n\ndef g():\n", "x"),
        ("        a", " = 1\n    b", " = 1"),
        ("    ", "a = 1\n    b = 2\n    c", None),
        ("\t", "a = 1\n\tb = 2\nc(", "a = 1\n\tb = 2"),
        ("", "a = 1\nb = 2\n", None),
        # the next block beside the cursor's
        ("def f():", "\n    return 1\n\n\ndef g():", "\n    return 1"),
        ("    if a:", "\n        b()\n    c()", "\n        b()"),
        ("", "import os\n\n\ndef main():", "import os"),
        ("    ", "x = 1\n    @property", "x = 1"),
        ("", "def f():\n    return 1\nx = 1", "def f():\n    return 1"),
        ("", "\n\ndef f():\n    return 1", None),
        # what goes on
        ("  if a:", "\n    b()\n  else:\n    c()\n  d(", "\n    b()\n  else:\n    c()"),
        ("    if a:", "\n        b()\n    el", None),
        ("    if a:", "\n        b()\n    elephant()", "\n        b()"),
        ("x = f(", "\n    a,\n    b,\n)", None),
        ("    return x", "\n    ", None),
        ("function f() {", "\n  g();\n}", None),
        ("class A:", "\n    pass\n\nclassy = 1", "\n    pass"),
    ],
)  # fmt: skip
def test_a_completion_stays_in_its_block(cursor_line: str, text: str, kept: str | None) -> None:
    assert _kept(text, block_end(text, cursor_line)) == kept


@pytest.mark.parametrize(
    ("prefix", "suffix", "text", "kept"),
    [
        ("print(", ")", "x, f(y))\nmore", "x, f(y)"),
        ("print(", "", "x)", None),
        ("print(", "", "x))", "x)"),
        ("def f(a, ", "):\n    pass", "b):", "b"),
        ("x = {\n  'a': [", "]\n}", "1, 2]\n}", "1, 2"),
        ("x = [\n    f(", "\n]\n", "1),\n]", "1),\n"),
        ("x = ", "", "a)", "a"),
        ("f(':-(', ", "", "x)", None),
        ("f(  # :-(\n  ", ")", "x)", "x"),
        ("x = f(a // (b), ", "", "c)", None),
        ("  // a smile :-(\n  f(", ")", "1)", "1"),
        ("f('", "')", "a(b') + g(2)", "a(b'"),
    ],
)
def test_a_completion_closes_no_bracket_that_the_suffix_closes(
    prefix: str, suffix: str, text: str, kept: str | None
) -> None:
    allowed = max(0, open_brackets(prefix) - closed_brackets(suffix))
    cut = surplus_closer(text, allowed, open_quote(prefix.split("\n")[-1]))

    assert _kept(text, cut) == kept


@pytest.mark.parametrize(
    ("line", "quote"),
    [
        ('x = "', '"'),
        ("x = 'a", "'"),
        ('x = "a"', None),
        ("x = \"it's", '"'),
        ('x = "a" + "', '"'),
        ('x = "a\\"', '"'),
        ("f()  # don't", None),
        ("#include 'a", "'"),
        ("", None),
    ],
)
def test_the_quote_that_a_line_leaves_open(line: str, quote: str | None) -> None:
    assert open_quote(line) == quote


@pytest.mark.parametrize(
    ("text", "quote", "suffix_line", "kept"),
    [
        ('abc"\nx = 1', '"', '"', "abc"),
        ('abc", "d', '"', '")', "abc"),
        ('a\\"b"', '"', '"', 'a\\"b'),
        ('a\\\\"', '"', '"', "a\\\\"),
        ('abc"', '"', "", None),
        ('abc"', None, '"', None),
    ],
)
def test_a_string_that_the_suffix_ends_is_not_ended_twice(
    text: str, quote: str | None, suffix_line: str, kept: str | None
) -> None:
    assert _kept(text, quoted_end(text, quote, suffix_line)) == kept


@pytest.mark.parametrize(
    ("text", "suffix_line", "kept"),
    [
        ("x();", ";", "x()"),
        ("a, b", "", "a, b"),
        ("f(x)", ")", "f(x)"),
        ("total += value", " += value", "total"),
        ("abc", "c", "abc"),
        ("a b", "b", "a "),
        ("a  b", " b", "a "),
        ("x = 1  # done", "  # done", "x = 1"),
    ],
)
def test_the_rest_of_the_line_is_not_said_again(text: str, suffix_line: str, kept: str) -> None:
    assert text[: len(text) - suffix_overlap(text, suffix_line)] == kept


@pytest.mark.parametrize(
    ("suffix", "line"),
    [
        ("\n    return x\n", "    return x"),
        (")\n\n\n    return x\n", "    return x"),
        ("\n}\n", None),
        ("", None),
        ("\n\n", None),
    ],
)
def test_the_next_line_of_a_suffix(suffix: str, line: str | None) -> None:
    assert next_line(suffix) == line


@pytest.mark.parametrize(
    ("text", "line", "kept"),
    [
        ("x = 1\n    return x\n", "    return x", "x = 1"),
        ("x = 1\n    return x", "    return x", None),
        ("x = 1\n    return xy\n", "    return x", None),
        ("x = 1\n    return x\n", None, None),
    ],
)
def test_the_next_line_is_not_said_again(text: str, line: str | None, kept: str | None) -> None:
    assert _kept(text, line_of_suffix(text, line)) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a = 1\n" + "    b = foo(1)\n" * 3, "a = 1\n    b = foo(1)\n"),
        ("x, " * 11, "x, "),
        ("abcd" * 8, "abcd"),
        ("abcd" * 7, None),
        ("0, 0, 0, 0, 0", None),
        ("-" * 70, None),
        (" " * 70, None),
        ("x = 1\n" * 2, None),
        ("for a in range(10):\n    for b in range(10):\n        for c in range(10):\n", None),
    ],
)
def test_going_in_circles_ends_a_completion(text: str, kept: str | None) -> None:
    assert _kept(text, repetition(text)) == kept


def test_the_first_rule_to_apply_decides() -> None:
    ends = EditorEnds('print("', '")\n', (), rules=True)

    assert ends.cut('hello") + more') == len("hello")


def test_without_rules_only_stop_strings_end() -> None:
    ends = EditorEnds("print(", ")", ("STOP",), rules=False)

    assert ends.cut("x))))\ndef f():") is None
    assert ends.cut("x STOP") == 2
    assert ends.trimmed("x)") == 2


def test_the_models_own_end_is_trimmed_too() -> None:
    ends = EditorEnds("x = 1", ";\nnext_call()\n", (), rules=True)

    assert ends.trimmed("0;") == 1
    assert ends.trimmed("0;\nnext_call()") == 1
    assert ends.trimmed("0\n    \n") == 1


@pytest.mark.parametrize(
    ("suffix", "stop", "text", "settled"),
    [
        ("", ("\n\n",), "a = 1\n", "a = 1"),
        ("", (), "a = 1\n    de", "a = 1"),
        ("", (), "a = 1\n    b(", "a = 1\n    b("),
        (" += value", (), "total +=", "total"),
        ("\nreturn x", (), "a\nreturn (", "a\nreturn ("),
        ("\nreturn x + y", (), "a\nreturn x +", "a"),
        ("", (), "word", "word"),
    ],
)
def test_what_may_yet_be_taken_back_is_not_streamed(
    suffix: str, stop: tuple[str, ...], text: str, settled: str
) -> None:
    ends = EditorEnds("", suffix, stop, rules=True)

    assert text[: ends.settled(text)] == settled


def _kept(text: str, cut: int | None) -> str | None:
    return None if cut is None else text[:cut]
