"""Completes a suggestion that ends in the middle of a call, so that a grammar reads it as one."""

from __future__ import annotations

import re
from dataclasses import replace

from server.guard.syntax_window import Window

MOST_CHARS = 1500
_PIECE = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*(?P<double>"|\n|$)|'(?:\\.|[^'\\\n])*(?P<single>'|\n|$)"""
    r"""|`(?:\\.|[^`\\])*(?P<back>`|$))|//[^\n]*|/\*.*?(?:\*/|$)|(?P<open>[(\[{])|(?P<close>[)\]}])""",
    re.DOTALL,
)
_CLOSES = {"(": ")", "[": "]", "{": "}"}


def closed(window: Window, start: int) -> Window | None:
    """The window up to its end, what was opened from `start` on closed; None if nothing was."""
    line = window.text.rfind("\n", 0, start) + 1
    if window.end - line > MOST_CHARS or start >= window.end:
        return None
    added = _closing(window.text[line : window.end])
    return replace(window, text=window.text[: window.end] + added + ";\n") if added else None


def _closing(text: str) -> str:
    """What closes the string and the brackets that are open at the end of `text`."""
    stack: list[str] = []
    quote = ""
    for piece in _PIECE.finditer(text):
        if piece["open"]:
            stack.append(_CLOSES[piece["open"]])
        elif piece["close"]:
            if stack:
                stack.pop()
        elif piece["string"] and piece.end() == len(text):
            is_open = not (piece["double"] or piece["single"] or piece["back"])
            quote = piece["string"][0] if is_open else ""
    return quote + "".join(reversed(stack))
