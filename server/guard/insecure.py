"""Finds insecure code in a suggestion: own rules and ruff for Python, patterns for the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from server.guard.bandit_scan import MOST_CHARS, bandit_diagnostics
from server.guard.diagnosed import clipped, diagnosed
from server.guard.errors import OutOfTime, RuffUnavailable
from server.guard.finding import Case, Finding
from server.guard.fragment import documents, parses
from server.guard.languages import family
from server.guard.patterns import pattern_findings
from server.guard.python_rules import python_findings
from server.guard.ruff_server import SYNTAX, Diagnostic, RuffServer
from server.guard.ruff_trigger import ruff_may_see
from server.guard.stitched import Stitched

MOST_DOCUMENTS = 2
MOST_SUGGESTION_CHARS = 200_000


class InsecureDetector:
    """Code that a security checker complains about, where the suggestion brings it in."""

    name = "insecure"
    is_deferred = False

    def __init__(self, ruff: RuffServer, ruff_ms: float, budget_ms: float) -> None:
        self._ruff = ruff
        self._ruff_ms = ruff_ms
        self._budget_ms = budget_ms

    def find(self, case: Case) -> Sequence[Finding]:
        """Insecure code that was not there without the suggestion."""
        if family(case.language) != "python":
            return sorted(pattern_findings(case), key=lambda one: one.start)
        self._ruff.start()  # again, if it has died
        found = python_findings(case, time.thread_time() + self._budget_ms / 1000)
        if ruff_may_see(case):
            found += self.ruff_findings(case)
        return sorted(found, key=lambda one: (one.start, one.end, one.rule))

    def ruff_findings(self, case: Case) -> list[Finding]:
        """What ruff says about the suggestion and would not say without it."""
        found = self._python(case)
        if any(one.start < 0 for one in found):
            old = self._python(replace(case, suggestion=""))
            known = {(one.rule, one.start + len(case.prefix)) for one in old}
            found = [one for one in found if (one.rule, one.start + len(case.prefix)) not in known]
        inside = [clipped(one, len(case.suggestion)) for one in found]
        return list({(one.start, one.end, one.rule): one for one in inside}.values())

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
                return diagnosed(document, diagnostics)
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
