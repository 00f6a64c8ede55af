"""The text around a cursor: what is sent, what is replaced, and when to keep quiet."""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX_CHARS = 24_000
SUFFIX_CHARS = 8_000
"""More than any prompt holds; the server cuts to the model's context."""

_STEP = PREFIX_CHARS // 4
_WORD_TAIL = re.compile(r"\w*\Z")
_LINE_REST = re.compile(r"[^\r\n]*")
_CLOSERS = re.compile(r"[ \t]*[)\]}>\"'`]*[ \t]*[:;,{]?[ \t]*\Z")
"""What may stand behind the cursor on its line without the cursor being "in the middle"."""
_OPEN = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Cursor:
    """A document cut at the cursor."""

    before: str
    after: str

    @property
    def offset(self) -> int:
        return len(self.before)

    @property
    def line(self) -> str:
        """The cursor's line up to the cursor."""
        start = max(self.before.rfind("\n"), self.before.rfind("\r")) + 1
        return self.before[start:]

    @property
    def indentation(self) -> str:
        line = self.line
        return line[: len(line) - len(line.lstrip(" \t"))]

    @property
    def word(self) -> str:
        """The identifier that is being typed, perhaps empty."""
        found = _WORD_TAIL.search(self.line)
        return found.group() if found else ""

    @property
    def rest(self) -> str:
        """The cursor's line behind the cursor."""
        found = _LINE_REST.match(self.after)
        return found.group() if found else ""

    @property
    def is_inside_word(self) -> bool:
        """The next character continues a word."""
        return bool(re.match(r"\w", self.rest))

    @property
    def is_at_end_of_line(self) -> bool:
        """Nothing but closing brackets and quotes follows on the line."""
        return _CLOSERS.match(self.rest) is not None

    @property
    def prefix(self) -> str:
        """The text to send from before the cursor.

        It begins at a place that moves in steps, not with every key: the server's prefix cache
        needs prompts that begin alike.
        """
        if len(self.before) <= PREFIX_CHARS:
            return self.before
        start = -(-(len(self.before) - PREFIX_CHARS) // _STEP) * _STEP
        line_end = self.before.find("\n", start, start + _STEP)
        return self.before[start if line_end < 0 else line_end + 1 :]

    @property
    def suffix(self) -> str:
        return self.after[:SUFFIX_CHARS]


def covered_rest(text: str, rest: str) -> int:
    """How many characters of `rest` the suggestion `text` says itself and so replaces.

    `rest` is what an editor closed by itself: "def f(" got its ")" before the person typed the
    arguments. Where the suggestion closes those brackets too, they are taken over.
    """
    closers = rest.strip(" \t")
    if not closers or any(char not in ")]}\"'`" for char in closers):
        return 0
    needed = iter(closers)
    wanted = next(needed)
    for char in _unmatched(text):
        if char == wanted:
            following = next(needed, None)
            if following is None:
                return len(rest.rstrip(" \t"))
            wanted = following
    return 0


def _unmatched(text: str) -> list[str]:
    """The closing brackets of `text` that it did not open, and its unpaired quotes."""
    stack: list[str] = []
    found: list[str] = []
    for char in text:
        if char in "([{":
            stack.append(char)
        elif char in _OPEN:
            if stack and stack[-1] == _OPEN[char]:
                stack.pop()
            else:
                found.append(char)
        elif char in "\"'`":
            if char in stack:
                del stack[stack.index(char) :]
            elif text.count(char) % 2:
                found.append(char)
            else:
                stack.append(char)
    return found
