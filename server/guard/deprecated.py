"""Finds deprecated and removed names, right for the workspace's packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from server.guard.api_index import ApiIndex
from server.guard.finding import Case, Finding
from server.guard.languages import family
from server.guard.python_deprecated import PythonDeprecated
from server.guard.script_deprecated import ScriptDeprecated
from server.guard.script_index import ScriptIndex

MOST_SUGGESTION_CHARS = 20_000
"""A longer suggestion is looked at up to here: no completion is that long, only a whole file is."""


class DeprecatedDetector:
    """Names that the workspace's packages deprecate."""

    name = "deprecated"
    is_deferred = False

    def __init__(self, index: ApiIndex) -> None:
        self.index = index
        self.scripts = ScriptIndex()
        self._python = PythonDeprecated(index)
        self._scripts = ScriptDeprecated(self.scripts)

    def find(self, case: Case) -> Sequence[Finding]:
        """Deprecated names that end inside the suggestion."""
        if len(case.suggestion) > MOST_SUGGESTION_CHARS:
            case = replace(case, suggestion=case.suggestion[:MOST_SUGGESTION_CHARS], suffix="")
        match family(case.language):
            case "python":
                return self._python.find(case)
            case "javascript":
                return self._scripts.find(case)
            case _:
                return ()

    def status(self) -> str:
        status = self.index.status()
        return self.scripts.status() if status == "ok" else status

    def close(self) -> None:
        self.index.close()
        self.scripts.close()
