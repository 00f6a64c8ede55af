"""Makes server/guard/letters.txt: how usual each three letters are in the words of programs.

Counted over the words of Python's own standard library; nothing but the counts is kept.
`python -m benchmarks.guard.letter_table` writes the table anew.
"""

from __future__ import annotations

import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from math import log2
from pathlib import Path

from server.guard.letters import EDGE, LETTERS, STEPS_PER_BIT, TABLE, most_steps

LEAST_COUNT = 3
PRIOR = 30.0
"""Weight of the shorter context, in counts."""
_WORD = re.compile(r"[A-Za-z]{2,24}")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SKIPPED = ("site-packages", "test", "tests", "idlelib", "encodings")


def main() -> None:
    """Count, and write the table."""
    steps = [min(most_steps(), round(STEPS_PER_BIT * bits)) for bits in surprise(words(_sources()))]
    text = "".join(chr(ord("0") + step) for step in steps)
    width = len(LETTERS) * 3
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    TABLE.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{TABLE.name}: {len(text)} figures")


def words(texts: Iterator[str]) -> Counter[str]:
    """The words of the texts and the parts of their compound names, in lower case."""
    counts = Counter[str]()
    for text in texts:
        for word in _WORD.findall(text):
            counts[word.lower()] += 1
            for part in _PART.findall(word):
                if 1 < len(part) < len(word):
                    counts[part.lower()] += 1
    return counts


def surprise(counts: Mapping[str, int]) -> list[float]:
    """Bits of the third letter after the first two, over every three letters in order."""
    triples, pairs, singles = _weights(), _weights(), _weights()
    for word, count in counts.items():
        if count < LEAST_COUNT:
            continue
        weight, text = log2(1 + count), EDGE * 2 + word + EDGE
        for i in range(len(text) - 2):
            triples[text[i : i + 3]] += weight
            pairs[text[i + 1 : i + 3]] += weight
            singles[text[i + 2]] += weight
    after_two, after_one = _weights(), _weights()
    for triple, weight in triples.items():
        after_two[triple[:2]] += weight
    for pair, weight in pairs.items():
        after_one[pair[0]] += weight
    total = sum(singles.values())
    bits: list[float] = []
    for first, second, third in product(LETTERS, repeat=3):
        p = (singles[third] + 1) / (total + len(LETTERS))
        p = (pairs[second + third] + PRIOR * p) / (after_one[second] + PRIOR)
        p = (triples[first + second + third] + PRIOR * p) / (after_two[first + second] + PRIOR)
        bits.append(-log2(p))
    return bits


def _weights() -> defaultdict[str, float]:
    return defaultdict(float)


def _sources() -> Iterator[str]:
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if not any(part in _SKIPPED for part in path.relative_to(library).parts):
            yield path.read_text(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    main()
