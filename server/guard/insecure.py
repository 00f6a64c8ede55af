"""Finds insecure code in a suggestion: ruff or bandit for Python, patterns for other languages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice

from server.guard.bandit_scan import MOST_CHARS, bandit_diagnostics
from server.guard.errors import OutOfTime, RuffUnavailable
from server.guard.finding import Case, Finding
from server.guard.fragment import documents, parses
from server.guard.languages import family
from server.guard.patterns import hint_codes, meaning, pattern_findings
from server.guard.ruff_server import SYNTAX, Diagnostic, RuffServer
from server.guard.safe_call import narrowed
from server.guard.stitched import Stitched

MOST_DOCUMENTS = 2
MOST_SUGGESTION_CHARS = 200_000
_SECURITY_WORDS = re.compile(
    r"(?i)token|secret|passw|nonce|salt|session|otp\b|api_?key|csrf|cookie|credential|captcha|crypt"
)
_LINE_END = re.compile(r"\r\n|\r|\n")
_WORTH_A_LOOK = re.compile(
    r"(?i)hash|md5|sha1|shell|subprocess|popen|system|exec|eval|pickle|marshal|shelve|dill|yaml|load"
    r"|random|verify|ssl|tls|http|temp|tmp|chmod|0\.0\.0\.0|select|insert|update|delete|sql|query"
    r"|markup|safe|jinja|autoescape|xml|ftp|telnet|paramiko|policy|snmp|des|arc4|rc4|blowfish|cipher"
    r"|extractall|debug|logging\.config|raw\(|extra\(|spawn|wild|\*|key_size|rsa|dsa"
)


class InsecureDetector:
    """Code that a security checker complains about, where the suggestion brings it in."""

    name = "insecure"

    def __init__(self, ruff: RuffServer, ruff_ms: float, budget_ms: float) -> None:
        self._ruff = ruff
        self._ruff_ms = ruff_ms
        self._budget_ms = budget_ms

    def find(self, case: Case) -> Sequence[Finding]:
        """Insecure code that was not there without the suggestion."""
        if family(case.language) != "python":
            return sorted(pattern_findings(case), key=lambda one: one.start)
        if not _WORTH_A_LOOK.search(case.prefix[-200:] + case.suggestion):
            return ()
        found = self._python(case)
        if any(one.start < 0 for one in found):
            old = self._python(replace(case, suggestion=""))
            known = {(one.rule, one.start + len(case.prefix)) for one in old}
            found = [one for one in found if (one.rule, one.start + len(case.prefix)) not in known]
        clipped = [_clipped(one, len(case.suggestion)) for one in found]
        return sorted({(one.start, one.end, one.rule): one for one in clipped}.values(), key=_place)

    def status(self) -> str:
        return self._ruff.status()

    def close(self) -> None:
        self._ruff.close()

    def _python(self, case: Case) -> list[Finding]:
        """Findings that touch the suggestion; those that begin before it have a negative start."""
        if len(case.suggestion) > MOST_SUGGESTION_CHARS:
            case = replace(case, suggestion=case.suggestion[:MOST_SUGGESTION_CHARS], suffix="")
        complete = filter(self._in_time(), documents(case))
        for document in islice(complete, MOST_DOCUMENTS):
            diagnostics = self._diagnose(document.text)
            if diagnostics is not None:
                return _findings(document, diagnostics)
        return []

    def _in_time(self) -> Callable[[Stitched], bool]:
        """Whether a document parses; raises OutOfTime once too much has been spent on asking."""
        deadline = time.thread_time() + self._budget_ms / 1000

        def is_complete(document: Stitched) -> bool:
            if time.thread_time() > deadline:
                raise OutOfTime("the security check ran out of time: the file is too odd")
            return parses(document.text)

        return is_complete

    def _diagnose(self, text: str) -> list[Diagnostic] | None:
        """What the checker says; None where `text` does not parse."""
        try:
            diagnostics = self._ruff.diagnose(text, self._ruff_ms)
        except RuffUnavailable:
            if len(text) > MOST_CHARS:
                return None
            try:
                return [Diagnostic(*found) for found in bandit_diagnostics(text)]
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return None
        return None if any(one.code == SYNTAX for one in diagnostics) else diagnostics


def _findings(document: Stitched, diagnostics: Iterable[Diagnostic]) -> list[Finding]:
    lines = [0, *(match.end() for match in _LINE_END.finditer(document.text))]
    found: list[Finding] = []
    hints = hint_codes()
    for one in diagnostics:
        start, end = _offset(lines, one.start), _offset(lines, one.end)
        if one.code in hints or start >= document.end:
            continue
        if one.code == "S311" and not _SECURITY_WORDS.search(_around(document.text, start, end)):
            continue
        if one.code in ("S602", "S605") and "seems safe" in one.message:
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


def _around(text: str, start: int, end: int) -> str:
    """The statement's lines and the head of the function around it."""
    first = text.rfind("\n", 0, start) + 1
    head = text.rfind("\ndef ", 0, start)
    name = text[head : text.find("\n", head + 1)] if head >= 0 else ""
    return name + text[first : max(end, text.find("\n", end))]


def _offset(lines: list[int], place: tuple[int, int]) -> int:
    line, character = place
    return lines[min(line, len(lines) - 1)] + character


def _clipped(found: Finding, length: int) -> Finding:
    is_inside = found.start >= 0 and found.end <= length
    start, end = max(0, found.start), min(found.end, length)
    return replace(
        found, start=start, end=end, replacement=found.replacement if is_inside else None
    )


def _place(found: Finding) -> tuple[int, int, str]:
    return found.start, found.end, found.rule
