"""Where a completion should end in an editor: pure functions of texts, and their sum."""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.engine.brackets import (
    closed_brackets,
    closing_quote,
    open_brackets,
    open_quote,
    surplus_closer,
)

CONTINUES = re.compile(r"(else|elif|except|finally|catch|case|default|end|then)\b|[)\]}.,?:&|]")
OPENS_BLOCK = re.compile(
    r"(async\s+def|def|class|async\s+function|function|func|fn|impl|struct|interface|enum|"
    r"public|private|protected|export)\b|@\w"
)
CONTINUING_WORDS = ["else", "elif", "except", "finally", "catch", "case", "default", "end", "then"]
LINE = re.compile(r"\n([ \t]*)(\S[^\n]*)")
# White space at the end, or the first word of a line: the next token decides what it is.
UNDECIDED = re.compile(r"\s+$|\n\s*@?\w*$")
EMPTY_LINES = re.compile(r"[ \t]*\n\s*$")
TAB = 4
# `----` and `0, 0, 0` are code; this much of one unit is a model going in circles.
REPEATS = 4
REPEATED_LINES = 3
REPEATED_CHARS = 32
LONGEST_UNIT = 80
LEAST_LINE_CHARS = 4


class EditorEnds:
    """Ends at stop strings always, and at the rules below if `rules`."""

    def __init__(self, prefix: str, suffix: str | None, stop: Sequence[str], rules: bool) -> None:
        self._stop = [text for text in stop if text]
        self._rules = rules
        if not rules:
            return
        suffix = suffix or ""
        self._cursor_line = prefix[prefix.rfind("\n") + 1 :]
        self._first = suffix.split("\n", 1)[0].rstrip()
        self._next = next_line(suffix)
        self._allowed = max(0, open_brackets(prefix) - closed_brackets(suffix))
        self._quote = open_quote(self._cursor_line)

    def cut(self, text: str) -> int | None:
        cuts = [stop_string(text, self._stop)]
        if self._rules:
            cuts += [
                block_end(text, self._cursor_line),
                surplus_closer(text, self._allowed, self._quote),
                quoted_end(text, self._quote, self._first),
                line_of_suffix(text, self._next),
                repetition(text),
            ]
        found = [cut for cut in cuts if cut is not None]
        return self._without_overlap(text, min(found)) if found else None

    def trimmed(self, text: str) -> int:
        if not self._rules:
            return len(text)
        cut = line_of_suffix(text + "\n", self._next)
        kept = text if cut is None else text[:cut]
        return self._without_overlap(text, len(EMPTY_LINES.sub("", kept)))

    def settled(self, text: str) -> int:
        held = max((_held(text, stop) for stop in self._stop), default=0)
        if self._rules:
            held = max(held, _held(text, self._first))
            undecided = UNDECIDED.search(text)
            if undecided is not None:
                held = max(held, len(text) - undecided.start())
            line = text.rfind("\n")
            if line >= 0 and (self._next or "").startswith(text[line + 1 :]):
                held = max(held, len(text) - line)
        return len(text) - held

    def _without_overlap(self, text: str, end: int) -> int:
        if not self._rules:
            return end
        return end - suffix_overlap(text[:end], self._first)


def stop_string(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of the stop strings begins."""
    return min((at for at in map(text.find, stop) if at >= 0), default=None)


def block_end(text: str, cursor_line: str) -> int | None:
    """Where `text` leaves the block of the cursor's line, or begins the next one beside it.

    A bracket or a word that continues the block, such as `else`, does not leave it.
    """
    level = _width(cursor_line[: len(cursor_line) - len(cursor_line.lstrip())])
    has_gone_deeper = False
    for line in LINE.finditer(text):
        width = _width(line[1])
        if width > level:
            has_gone_deeper = True
            continue
        if CONTINUES.match(line[2]) or (line.end() == len(text) and _may_continue(line[2])):
            continue
        begins_next = has_gone_deeper or OPENS_BLOCK.match(line[2]) is not None
        if width < level or (begins_next and (text[: line.start()] + cursor_line).strip()):
            return len(text[: line.start()].rstrip())
    return None


def quoted_end(text: str, quote: str | None, suffix_line: str) -> int | None:
    """Where a string ends that was opened before the cursor and is closed right after it."""
    if quote is None or not suffix_line.startswith(quote):
        return None
    return closing_quote(text, quote)


def suffix_overlap(text: str, suffix_line: str) -> int:
    """How many characters at the end of `text` the cursor line's rest already holds.

    Brackets are left to `surplus_closer`, which knows whether they are balanced.
    """
    if set(suffix_line) & set(")]}"):
        return 0
    for rest in (suffix_line, suffix_line.strip()):
        is_word = rest[:1].isalnum() and text[: -len(rest)][-1:].isalnum()
        if rest.strip() and text.endswith(rest) and not is_word:
            return len(rest)
    return 0


def next_line(suffix: str) -> str | None:
    """The first full line of the suffix below the cursor's, unless too common to be telling."""
    for line in suffix.split("\n")[1:]:
        if line.strip():
            return line.rstrip() if len(line.strip()) >= LEAST_LINE_CHARS else None
    return None


def line_of_suffix(text: str, line: str | None) -> int | None:
    """Where `text` says the suffix's next line over again, as a whole line."""
    if line is None:
        return None
    at = text.find(f"\n{line}\n")
    return None if at < 0 else len(text[:at].rstrip())


def repetition(text: str) -> int | None:
    """The end of the first unit, if the end of `text` says one unit over and over."""
    for size in range(2, min(LONGEST_UNIT, len(text) // REPEATED_LINES) + 1):
        unit = text[-size:]
        least = REPEATED_LINES if "\n" in unit else REPEATS
        times = max(least, -(-REPEATED_CHARS // size))
        if text.endswith(unit * times) and len(set(unit)) > 1 and not unit.isspace():
            return _first_unit_end(text, unit)
    return None


def _first_unit_end(text: str, unit: str) -> int:
    start = len(text)
    while text.endswith(unit, 0, start):
        start -= len(unit)
    return start + len(unit)


def _may_continue(start: str) -> bool:
    return any(word.startswith(start) for word in CONTINUING_WORDS)


def _width(indentation: str) -> int:
    return len(indentation.expandtabs(TAB))


def _held(text: str, wanted: str) -> int:
    """How long an end of `text` could grow into `wanted`."""
    for size in range(min(len(text), len(wanted)), 0, -1):
        if text.endswith(wanted[:size]):
            return size
    return 0
