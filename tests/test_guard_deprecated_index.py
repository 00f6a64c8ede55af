"""What the sources and stubs of packages say about their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.guard.api_scan import scan_source
from server.guard.api_stubs import is_due, stub_files, truth

WARN = 'warnings.warn("{}", DeprecationWarning)'


@pytest.mark.parametrize(
    "source",
    [
        "@deprecated('use new')\ndef old(): ...",
        "@typing_extensions.deprecated('use new')\nclass old: ...",
        f"def old():\n    {WARN.format('old is deprecated')}",
        "def old():\n    '''Old.\n\n    .. deprecated:: 1.2\n       Use new.\n    '''",
        "def old():\n    raise RuntimeError('old has been removed')  # deprecated",
    ],
)
def test_each_kind_of_evidence_is_seen(source: str) -> None:
    assert [api.name for api in scan_source(source.encode(), "m")] == ["m.old"]


@pytest.mark.parametrize(
    "source",
    [
        f"def f(a):\n    if a:\n        {WARN.format('f is deprecated')}",
        f"def f(a):\n    {WARN.format('the argument a is deprecated')}",
        f"def warn_deprecated(a):\n    {WARN.format('it is deprecated')}",
        "@copy_docstring_and_deprecators(g)\ndef f(): ...",
        "@deprecated('3.1', pending=True)\ndef f(): ...",
        "@deprecated_instance_property\ndef f(): ...",
        "def f():\n    '''F.\n\n    .. deprecated:: 1.2\n       ``f(None)`` is old.\n    '''",
        "def f():\n    '''F.\n\n    .. deprecated:: 1.2\n\n       Using arguments is odd.\n    '''",
        "def f():\n    '''.. deprecated:: 1\n       a\n    .. deprecated:: 2\n       b\n    '''",
        "@overload\ndef f(a: int): ...\n@overload\n@deprecated('no str')\ndef f(a: str): ...",
    ],
)
def test_what_is_deprecated_in_part_is_not_deprecated_as_a_whole(source: str) -> None:
    assert [api for api in scan_source(source.encode(), "m") if api.argument is None] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("@rename_parameter('3.1', 'old', 'new')\ndef f(new): ...", "old"),
        ("def f(old=None):\n    if old is not None:\n        "
         + WARN.format("old is deprecated"), "old"),
        ("def f(a, old=None):\n    '''F.\n\n    Parameters\n    ----------\n    old : int\n"
         "        No.\n\n        .. deprecated:: 1\n           Not used.\n    '''", "old"),
    ],
)  # fmt: skip
def test_a_deprecated_argument_is_seen(source: str, expected: str) -> None:
    source += "\n# deprecated"

    assert [api.argument for api in scan_source(source.encode(), "m")] == [expected]


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("use new instead", "m.new"),
        ("Use :func:`m.new` instead", "m.new"),
        ("old is renamed to `new`", "m.new"),
        ("`new` should be used instead", "m.new"),
        ("use os.path.join", "os.path.join"),
        ("use the other thing instead", None),
        ("please do not", None),
    ],
)
def test_the_successor_is_read_from_the_text(text: str, use: str | None) -> None:
    source = f"@deprecated('{text}')\ndef old(a): ...\n\ndef new(a): ..."

    assert [api.use for api in scan_source(source.encode(), "m")] == [use]


@pytest.mark.parametrize(
    ("text", "python", "holds"),
    [
        ("Deprecated since Python 3.10. Use it.", "3.11.7", True),
        ("Deprecated since Python 3.12. Use it.", "3.11.7", False),
        ("Deprecated; removed in Python 3.13.", "3.11.7", True),
        ("Deprecated; will be removed in Python 3.16.", "3.11.7", False),
        ("Soft deprecated. Use subprocess.", "3.11.7", False),
    ],
)
def test_a_stubs_mark_holds_from_its_version_on(text: str, python: str, holds: bool) -> None:
    assert is_due(text, python) == holds


def test_the_stubs_of_another_version_have_its_modules() -> None:
    modules = {module for _, module in stub_files("3.13.0")}

    assert "imp" not in modules
    assert "threading" in modules


def test_a_stubs_branches_are_those_of_the_version() -> None:
    source = (
        b"import sys\nif sys.version_info >= (3, 12):\n    @deprecated('x')\n    def f(): ...\n"
        b"else:\n    def f(): ...\n"
    )

    assert scan_source(source, "m", truth("3.11.7")) == []
    assert [api.name for api in scan_source(source, "m", truth("3.12.0"))] == ["m.f"]


def test_a_file_without_a_mention_is_not_parsed(tmp_path: Path) -> None:
    assert scan_source(b"def f(:", "m") == []
