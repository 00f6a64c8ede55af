"""The function that a place in unfinished Python is in, by its indentation: needs no tree."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_CHARS = 4_000
_DEFINITION = re.compile(r"(?m)^([ \t]*)(?:async )?def (\w+)\(([^()]*)")
_TARGET = re.compile(r"(\w+)[ \t]*=[ \t]*\Z")


@dataclass(frozen=True)
class Function:
    """A function down to a place in it."""

    name: str
    parameters: str
    body: str


def function_around(above: str) -> Function | None:
    """The function that the end of a text is in, if it begins near enough."""
    above = above[-MOST_CHARS:]
    line = above[above.rfind("\n") + 1 :]
    depth = len(line) - len(line.lstrip())
    for match in reversed(list(_DEFINITION.finditer(above))):
        indent = len(match[1])
        body = above[match.end() :]
        if indent < depth and not re.search(rf"(?m)^[ \t]{{0,{indent}}}[^\s)#]", body):
            return Function(match[2], match[3], body)
    return None


def target_of(above: str) -> str:
    """The name to which the value that begins at the end of a text is given; empty without one."""
    match = _TARGET.search(above)
    return match[1] if match is not None else ""
