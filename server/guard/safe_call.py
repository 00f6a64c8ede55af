"""Where exactly an insecure call goes wrong, and what to write there instead."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The span to blame in a text, and its replacement where one is obvious."""

    start: int
    end: int
    replacement: str | None = None


# Code, what to look for in the flagged span, and what replaces its group 1.
_EDITS: tuple[tuple[str, re.Pattern[str], str | None], ...] = (
    ("S324", re.compile(r"\bhashlib\.(md5|sha1|md4)\b"), "sha256"),
    ("S324", re.compile(r"^(md5|sha1|md4)\b"), None),
    ("S324", re.compile(r"""["'](md5|sha1|md4|MD5|SHA1)["']"""), "sha256"),
    ("S506", re.compile(r"\byaml\.(load)(?=\([^,()]*(?:\(\))?[^,()]*\)$)"), "safe_load"),
    ("S506", re.compile(r"\byaml\.(\w*Loader)\b"), "SafeLoader"),
    ("S506", re.compile(r"\bLoader\s*=\s*(\w*Loader)\b"), None),
    ("S506", re.compile(r"\byaml\.(load(?:_all)?)\b"), None),
    ("S501", re.compile(r"\b(verify\s*=\s*False)\b"), "verify=True"),
    ("S602", re.compile(r"\b(shell\s*=\s*True)\b"), None),
    ("S604", re.compile(r"\b(shell\s*=\s*True)\b"), None),
    ("S201", re.compile(r"\b(debug\s*=\s*True)\b"), "debug=False"),
    ("S701", re.compile(r"\b(autoescape\s*=\s*False)\b"), "autoescape=True"),
)
_YAML_LOAD = re.compile(r"\b(?:yaml\.)?load(?:_all)?\(")
_CALLEE = re.compile(r"[A-Za-z_][\w.]*(?=\s*\()")


def narrowed(code: str, text: str, start: int, end: int) -> Place:
    """The part of [start, end) to blame for `code`: an argument, a name, else the call."""
    if code == "S506":
        start = _yaml_call_start(text, start)
    if code in ("S602", "S604", "S501", "S201", "S701", "S506"):
        end = max(end, _call_end(text, start))
    span = text[start:end]
    for rule, pattern, replacement in _EDITS:
        match = pattern.search(span) if rule == code else None
        if match is not None:
            return Place(start + match.start(1), start + match.end(1), replacement)
    if code == "S307" and re.search(r"(?m)^import ast\b", text) and span.startswith("eval("):
        return Place(start, start + len("eval"), "ast.literal_eval")
    if code.startswith("S3") and (callee := _CALLEE.match(span)) is not None:
        return Place(start, start + callee.end())
    return Place(start, end)


def _yaml_call_start(text: str, start: int) -> int:
    """Where the call begins that `start` stands in: ruff points at the loader if there is one."""
    if text.startswith(("yaml.load", "load"), start):
        return start
    calls = [match.start() for match in _YAML_LOAD.finditer(text, max(0, start - 500), start)]
    return calls[-1] if calls else start


def _call_end(text: str, start: int) -> int:
    """Behind the bracket that closes the first call at `start`, within 2,000 characters."""
    depth = 0
    for offset in range(start, min(len(text), start + 2000)):
        if text[offset] == "(":
            depth += 1
        elif text[offset] == ")":
            depth -= 1
            if depth == 0:
                return offset + 1
    return start
