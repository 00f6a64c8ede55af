"""What to write instead of a secret: a look-up in the environment, or a name to be filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from server.guard.languages import family
from server.guard.literals import Literal
from server.guard.stitched import Stitched
from server.guard.text_lines import TextLines

_WORD_EDGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_NAME_BEFORE = re.compile(
    r"""(?P<name>[A-Za-z_$][\w$.-]{0,80})(?:\[\d{0,9}\])?["'`\]]{0,2}[ \t]{0,40}
    (?::[ \t]{0,4}[\w.\[\]| ]{1,40})?
    (?P<sign>=>|:=|===?|!==?|[=:(,])[ \t]{0,40}$""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Lookup:
    """The text to put in place of a literal, at offsets of the suggestion."""

    start: int
    end: int
    text: str


def environment_lookup(
    language: str, lines: Stitched, pieces: TextLines, start: int, end: int, environment: str | None
) -> Lookup | None:
    """Replaces the quoted literal around [start, end) of the lines, if all of it is suggested.

    None where the user typed a quote of it, where the language has no such look-up, or where no
    name for the variable is known.
    """
    if family(language) not in ("python", "javascript"):
        return None
    piece = pieces.at(start)
    literal = piece.line.literal_at(start - piece.offset)
    if literal is None or not literal.is_closed or end - piece.offset > literal.end:
        return None
    quoted_start = _with_letters(piece.line.text, literal)
    if piece.offset + quoted_start < lines.start or piece.offset + literal.quoted_end > lines.end:
        return None
    before = _NAME_BEFORE.search(piece.line.text[max(0, quoted_start - 160) : quoted_start])
    name = _name(before, environment)
    if name is None:
        return None
    text = f'os.environ["{name}"]' if family(language) == "python" else f"process.env.{name}"
    moved = piece.offset - lines.start
    return Lookup(quoted_start + moved, literal.quoted_end + moved, text)


def placeholder(
    lines: Stitched, pieces: TextLines, start: int, environment: str | None
) -> Lookup | None:
    """Puts `YOUR_API_KEY` in place of all that is suggested inside quotes that the user opened.

    None where the user typed a part of the value too, or where no name for it is known.
    """
    piece = pieces.at(start)
    literal = piece.line.literal_at(start - piece.offset)
    if literal is None or piece.offset + literal.start != lines.start:
        return None
    before = _NAME_BEFORE.search(
        piece.line.text[max(0, literal.quoted_start - 160) : literal.quoted_start]
    )
    name = _name(before, environment)
    end = min(piece.offset + literal.end, lines.end) - lines.start
    return None if name is None else Lookup(0, end, f"YOUR_{name}")


def _name(before: re.Match[str] | None, environment: str | None) -> str | None:
    """What the value is called: by what it is assigned to, else by what it is; None where it is
    compared and not assigned."""
    if before and before["sign"] in ("==", "!=", "===", "!=="):
        return None
    return (_variable(before["name"]) if before else None) or environment


def _with_letters(line: str, literal: Literal) -> int:
    """Where the literal begins with the letters before its quote: `rb"..."`."""
    start = literal.quoted_start
    while start > max(0, literal.quoted_start - 2) and line[start - 1] in "rRbBuUfF":
        start -= 1
    return literal.quoted_start if start and line[start - 1].isalnum() else start


def _variable(name: str) -> str | None:
    """`stripe.apiKey` as `STRIPE_API_KEY`; None for a name that says too little."""
    words = [
        word for word in _WORD_EDGE.split(name.removeprefix("self.").removeprefix("this.")) if word
    ]
    text = "_".join(words).upper()
    return text if len(text) >= 3 and not text[0].isdigit() else None
