"""How unlike words a text is, by a table of three-letter counts over the words of programs."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from string import ascii_lowercase

EDGE = "^"
"""Where a word begins or ends."""
LETTERS = EDGE + ascii_lowercase
STEPS_PER_BIT = 5
"""The table holds fifths of a bit, one character each."""
TABLE = Path(__file__).with_name("letters.txt")
MOST_CHARS = 48
"""Of a longer text only so much is looked at."""
_NO_LETTERS = re.compile(r"[^a-z]+")


def most_steps() -> int:
    """The largest figure that a character of the table can hold."""
    return ord("~") - ord("0")


@lru_cache(maxsize=2048)
def strangeness(text: str) -> float:
    """Bits per letter: about 3 to 4.5 for words and names, about 7 for random letters.

    Digits and signs end a word, so letters scattered among digits are strange too. A text without
    letters has 0.
    """
    table = _table()
    runs = _NO_LETTERS.sub(EDGE, text[:MOST_CHARS].lower()).strip(EDGE)
    if not runs:
        return 0.0
    first = second = EDGE
    steps = count = 0
    for third in runs + EDGE:
        steps += table[first + second + third]
        count += 1
        first, second = (EDGE, EDGE) if third == EDGE else (second, third)
    return steps / STEPS_PER_BIT / count


@cache
def _table() -> dict[str, int]:
    text = TABLE.read_text(encoding="ascii").replace("\n", "")
    triples = (a + b + c for a in LETTERS for b in LETTERS for c in LETTERS)
    return {
        triple: ord(character) - ord("0") for triple, character in zip(triples, text, strict=True)
    }
