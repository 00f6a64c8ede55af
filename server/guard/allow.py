"""Which findings a person has allowed: `# unsay: allow[rule]` on the line or the line above it.

Only a comment that the user wrote counts: one inside a suggestion is the model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.guard.finding import Case, Finding
from server.guard.stitched import Stitched

MOST_LINE_CHARS = 1000
_ALLOW = re.compile(r"(?:#|//|/\*|--|<!--|;)\s{0,4}unsay:\s{0,4}allow\[([\w\s,.:*-]{1,300})\]")


def not_allowed(
    case: Case, findings: Iterable[Finding], disabled: frozenset[str], *, is_own_text: bool
) -> list[Finding]:
    """The findings that neither the configuration nor a comment of the user allows.

    `is_own_text`: the suggestion is the user's own file, so the comments in it count.
    """
    kept: list[Finding] = []
    for found in findings:
        names = {found.rule, found.rule.removeprefix("ledger:"), found.kind}
        if names.isdisjoint(disabled) and names.isdisjoint(_allowed_at(case, found, is_own_text)):
            kept.append(found)
    return kept


def _allowed_at(case: Case, found: Finding, is_own_text: bool) -> set[str]:
    before, after = case.prefix[-MOST_LINE_CHARS:], case.suffix[:MOST_LINE_CHARS]
    if "unsay:" not in before + after + (case.suggestion if is_own_text else ""):
        return set()
    text = before + case.suggestion + after
    middle = Stitched(text, len(before), len(before) + len(case.suggestion))
    start, end = found.start + middle.start, found.end + middle.start
    first = text.rfind("\n", 0, start) + 1
    above = text.rfind("\n", 0, max(0, first - 1)) + 1
    last = text.find("\n", end)
    lines = (above, first), (first, len(text) if last < 0 else last)
    allowed: set[str] = set()
    for number, (begin, stop) in enumerate(lines):
        comment = text[begin:stop].lstrip()
        if number == 0 and not comment.startswith(("#", "//", "/*", "--", "<!--", ";")):
            continue
        for match in _ALLOW.finditer(text, begin, stop):
            is_model = match.start() < middle.end and match.end() > middle.start
            if is_own_text or not is_model:
                allowed |= {name.strip() for name in match[1].split(",")}
    return allowed
