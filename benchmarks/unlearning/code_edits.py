"""Python text cut into words, strings and comments, parsed or not, and edits of it by offset."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

PieceKind = Literal["string", "comment", "name", "space", "newline", "other"]

PIECES = re.compile(
    r"""(?P<string>[rRbBuUfF]{0,2}(?:\"\"\"(?:\\.|[^\\])*?(?:\"\"\"|\Z)|'''(?:\\.|[^\\])*?(?:'''|\Z)
    |"(?:\\.|[^"\\\n])*(?:"|(?=\n)|\Z)|'(?:\\.|[^'\\\n])*(?:'|(?=\n)|\Z)))
    |(?P<comment>\#[^\n]*)
    |(?P<name>[^\W\d]\w*)
    |(?P<newline>\n)
    |(?P<space>[^\S\n]+)
    |(?P<other>\d[\w.]*|.)""",
    re.X | re.S,
)
OPENING, CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Piece:
    """One word, string, comment, sign or stretch of white space."""

    kind: PieceKind
    text: str
    start: int
    depth: int
    """In how many brackets it stands."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_identifier(self) -> bool:
        return self.kind == "name" and not keyword.iskeyword(self.text)


class Edit(NamedTuple):
    """Replace [start, end) of a text."""

    start: int
    end: int
    text: str


def pieces(code: str) -> list[Piece]:
    """The pieces of `code`, one after the other; a string that does not end goes on to the end of
    its line, or of the text if it is a triple one."""
    found: list[Piece] = []
    depth = 0
    for match in PIECES.finditer(code):
        kind: PieceKind = match.lastgroup  # pyright: ignore[reportAssignmentType]  # its own names
        text = match[0]
        if kind == "other" and text in CLOSING:
            depth = max(0, depth - 1)
        found.append(Piece(kind, text, match.start(), depth))
        if kind == "other" and text in OPENING:
            depth += 1
    return found


def edited(text: str, edits: Sequence[Edit], marks: Sequence[int]) -> tuple[str, list[int]]:
    """The text after the edits, which may not overlap, and where each offset of `marks` then is.

    An edit that ends at a mark lies before it.
    """
    out: list[str] = []
    at, moved = 0, list(marks)
    for edit in sorted(edits):
        out += [text[at : edit.start], edit.text]
        at = edit.end
        grown = len(edit.text) - (edit.end - edit.start)
        for i, mark in enumerate(marks):
            moved[i] += grown if edit.end <= mark else 0
    return "".join([*out, text[at:]]), moved
