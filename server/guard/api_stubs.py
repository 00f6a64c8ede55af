"""The marks of the standard library's stubs (PEP 702), as they hold for one version of Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import typeshed_client

from server.guard.api_scan import Truth

_SINCE = re.compile(r"[Ss]ince Python 3\.(\d+)")
_UNDATED = 14
_GONE = re.compile(r"[Rr]emoved in Python 3\.(\d+)")


def stub_version() -> str:
    """Changes with the stubs."""
    return version("typeshed_client")


def stub_files(python: str) -> Iterator[tuple[Path, str]]:
    """The stubs of the public modules that Python `python` (`3.11.7`) has."""
    search = _search(python)
    for module, path in typeshed_client.get_all_stub_files(search):
        if not module.startswith("_"):
            yield path, module.removesuffix(".__init__")


def truth(python: str) -> Truth:
    """What a stub's condition is under Python `python`."""
    search = _search(python)

    def is_true(condition: ast.expr) -> bool | None:
        # a name that is no stub's makes it answer None, where it would raise, for the undecidable
        return typeshed_client.evaluate_expression_truthiness(
            condition, ctx=search, file_path=Path("unknown.py")
        )

    return is_true


def is_due(text: str, python: str) -> bool:
    """Whether a stub's mark holds under Python `python`: some speak of later versions.

    A mark that only says when the name goes is taken to hold from two versions before, and one
    without any version from `_UNDATED` on; what held before stands in the source or in our table.
    """
    minor = int(python.split(".")[1])
    since = _SINCE.search(text)
    if since is not None:
        return minor >= int(since[1])
    gone = _GONE.search(text)
    return minor >= (int(gone[1]) - 2 if gone is not None else _UNDATED)


def _search(python: str) -> typeshed_client.SearchContext:
    major, minor = python.split(".")[:2]
    return typeshed_client.get_search_context(
        version=(int(major), int(minor)), search_path=[], platform="linux"
    )
