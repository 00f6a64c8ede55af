"""bandit, in this process: where ruff does not answer, and in the background for what it adds."""

from __future__ import annotations

import ast
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from server.guard.diagnosed import clipped, diagnosed
from server.guard.finding import Case, Finding
from server.guard.fragment import documents
from server.guard.languages import family
from server.guard.ruff_server import Diagnostic

MOST_CHARS = 20_000
"""bandit takes about 1 ms for 20 lines; more than this is left to ruff."""
MOST_DOCUMENTS = 4
_CODES = {"B303": "S324", "B602": "S602", "B301": "S301"}


class BanditDetector:
    """What bandit sees in a suggestion and the quicker checks do not."""

    name = "bandit"
    is_deferred = True

    def __init__(self) -> None:
        self._state = "ok"

    def find(self, case: Case) -> Sequence[Finding]:
        """What bandit says of the first way to stitch the suggestion in that it can read."""
        if family(case.language) != "python" or len(case.suggestion) > MOST_CHARS:
            return ()
        for document in islice(documents(case), MOST_DOCUMENTS):
            diagnostics = self._diagnose(document.text)
            if diagnostics is not None:
                found = [one for one in diagnosed(document, diagnostics) if one.start >= 0]
                inside = [clipped(one, len(case.suggestion)) for one in found]
                return sorted(inside, key=lambda one: (one.start, one.end, one.rule))
        return ()

    def status(self) -> str:
        """`ok`, or what is missing."""
        return self._state

    def close(self) -> None:
        """Nothing to end: bandit runs in this process."""

    def _diagnose(self, text: str) -> list[Diagnostic] | None:
        """What bandit says; None where it cannot read `text`."""
        if len(text) > MOST_CHARS:
            return None
        try:
            return [Diagnostic(*one) for one in bandit_diagnostics(text)]
        except ImportError as error:
            self._state = f"bandit cannot be used ({error}); install it beside unsay"
            return []
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def bandit_diagnostics(text: str) -> Iterator[tuple[str, str, tuple[int, int], tuple[int, int]]]:
    """Code (as ruff has it), message, start and end (line from 0, character) of each issue.

    Raises SyntaxError where `text` does not parse.
    """
    ast.parse(text)
    run = _new_run()
    run._parse_file("suggestion.py", io.BytesIO(text.encode("utf-8", "replace")), ["suggestion.py"])
    for issue in run.results:
        start = (issue.lineno - 1, _characters(text, issue.lineno - 1, issue.col_offset))
        last = max(issue.lineno, issue.linerange[-1] if issue.linerange else issue.lineno) - 1
        end = (last, _characters(text, last, issue.end_col_offset or 0))
        code = _CODES.get(str(issue.test_id), "S" + str(issue.test_id)[1:])
        yield code, str(issue.text), start, max(start, end)


def _characters(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    if line >= len(lines):
        return 0
    return len(lines[line].encode("utf-8", "replace")[:column].decode("utf-8", "ignore"))


def _new_run() -> Any:
    logging.getLogger("bandit").setLevel(logging.CRITICAL)  # it wonders about the file name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # stevedore's, while it finds plugins
        from bandit.core import manager  # pyright: ignore[reportMissingTypeStubs]

        return manager.BanditManager(_config(), "file", quiet=True)  # pyright: ignore


@cache
def _config() -> Any:
    from bandit.core import config  # pyright: ignore[reportMissingTypeStubs]

    return config.BanditConfig()  # pyright: ignore
