"""What to write instead of a secret: a look-up in the environment (Python and JavaScript)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from server.guard.finding import Case
from server.guard.languages import family
from server.guard.literals import Literal
from server.guard.stitched import Stitched

_WORD_EDGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


@dataclass(frozen=True)
class Lookup:
    """The text to put in place of a quoted literal of the suggestion."""

    start: int
    end: int
    text: str


def environment_lookup(
    case: Case,
    lines: Stitched,
    start: int,
    end: int,
    environment: str | None,
    literals: Sequence[Literal],
) -> Lookup | None:
    """Replaces the quoted literal around [start, end) of the lines, if all of it is suggested.

    None where the user typed a quote of it, where the language has no such look-up, or where no
    name for the variable is known.
    """
    if family(case.language) not in ("python", "javascript"):
        return None
    for literal in literals:
        if not (literal.start <= start and end <= literal.end and literal.is_closed):
            continue
        if literal.quoted_start == literal.start:
            return None
        is_suggested = lines.start <= literal.quoted_start and literal.quoted_end <= lines.end
        name = _variable(literal.name) or environment
        if not is_suggested or name is None or literal.sign in ("==", "!=", "===", "!=="):
            return None
        text = (
            f'os.environ["{name}"]' if family(case.language) == "python" else f"process.env.{name}"
        )
        return Lookup(literal.quoted_start - lines.start, literal.quoted_end - lines.start, text)
    return None


def _variable(name: str) -> str | None:
    """`stripe.apiKey` as `STRIPE_API_KEY`; None for a name that says too little."""
    words = [
        word for word in _WORD_EDGE.split(name.removeprefix("self.").removeprefix("this.")) if word
    ]
    text = "_".join(words).upper()
    return text if len(text) >= 3 and not text[0].isdigit() else None
