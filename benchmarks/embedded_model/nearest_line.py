"""Repeat the most similar earlier line of the same file: the simplest completion of all."""

import re

WORDS = re.compile(r"\w+|[^\w\s]")
LINES_ABOVE = 3
# How far back it looks.
EARLIER_LINES = 2_000


def repeated_line(prefix: str) -> str:
    """The rest of the line before whose cursor stands `prefix`; empty where nothing is above.

    Taken from the earlier line, preferably one that begins as the open line does, whose lines
    above share most words with the lines above the cursor; of equals the nearest.
    """
    *lines, opened = prefix.split("\n")
    lines = lines[-EARLIER_LINES:]
    places = [i for i, line in enumerate(lines) if line.strip()]
    places = [i for i in places if _begins(lines[i], opened)] or places
    if not places:
        return ""
    here = _words(lines, len(lines))
    best = max(places, key=lambda i: (_likeness(here, _words(lines, i)), i))
    line = lines[best]
    return (line[len(opened) :] if line.startswith(opened) else line.strip()).rstrip()


def _begins(line: str, opened: str) -> bool:
    return line.startswith(opened) and not line[len(opened) :][:1].isspace()


def _words(lines: list[str], end: int) -> frozenset[str]:
    return frozenset(WORDS.findall("\n".join(lines[max(0, end - LINES_ABOVE) : end])))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    both = len(one) + len(other)
    return 2 * len(one & other) / both if both else 0.0
