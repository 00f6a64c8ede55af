"""Turns what a checker says about a stitched document into findings in the suggestion."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from server.guard.finding import Finding
from server.guard.patterns import hint_codes, meaning
from server.guard.ruff_server import Diagnostic
from server.guard.safe_call import narrowed
from server.guard.stitched import Stitched

_MODE = re.compile(r"0o([0-7]{3,4})")
_LINE_END = re.compile(r"\r\n|\r|\n")


def diagnosed(document: Stitched, diagnostics: Iterable[Diagnostic]) -> list[Finding]:
    """Findings that touch the suggestion; those that begin before it have a negative start."""
    lines = [0, *(match.end() for match in _LINE_END.finditer(document.text))]
    found: list[Finding] = []
    hints = hint_codes()
    for one in diagnostics:
        start, end = _offset(lines, one.start), _offset(lines, one.end)
        if one.code in hints or start >= document.end or _is_harmless(one):
            continue
        place = narrowed(one.code, document.text, start, end)
        if place.end <= document.start or place.start >= document.end:
            continue
        means = meaning(one.code)
        message = one.message.rstrip(".") + (f"; {means.advice}." if means.advice else ".")
        found.append(
            Finding(
                "insecure",
                one.code,
                means.cwe,
                place.start - document.start,
                place.end - document.start,
                message,
                place.replacement,
                means.severity,
            )
        )
    return found


def clipped(found: Finding, length: int) -> Finding:
    """The part of a finding that is in a suggestion of this length."""
    is_inside = found.start >= 0 and found.end <= length
    start, end = max(0, found.start), min(found.end, length)
    return replace(
        found, start=start, end=end, replacement=found.replacement if is_inside else None
    )


def _is_harmless(one: Diagnostic) -> bool:
    """A mode that lets only the owner write, which ruff finds too open."""
    mode = _MODE.search(one.message) if one.code == "S103" else None
    return mode is not None and not int(mode[1], 8) & 0o022


def _offset(lines: list[int], place: tuple[int, int]) -> int:
    line, character = place
    return lines[min(line, len(lines) - 1)] + character
