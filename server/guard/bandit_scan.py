"""bandit, in this process, on one text: the checker for when ruff does not answer."""

from __future__ import annotations

import ast
import io
import logging
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

MOST_CHARS = 20_000
"""bandit takes about 1 ms for 20 lines; more than this is left to ruff."""
_CODES = {"B303": "S324", "B602": "S602", "B301": "S301"}


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
