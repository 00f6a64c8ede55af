"""Deprecated names, right for the versions that the workspace has."""

from __future__ import annotations

import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_model import FILES

from server.guard.api_index import ApiIndex
from server.guard.api_scan import scan_file
from server.guard.deprecated import DeprecatedDetector
from server.guard.finding import Case, Finding

SOURCE = '''
import warnings
from functools import wraps

OLD = "old_load is deprecated, use load instead"


def deprecated(text):
    return lambda function: function


def load(path):
    return path


def old_load(path):
    warnings.warn(OLD, DeprecationWarning, stacklevel=2)
    return load(path)


def sometimes(path, mode=None):
    if mode is not None:
        warnings.warn("mode is deprecated", DeprecationWarning)
    return path


def with_argument(path, mode=None):
    warnings.warn("the mode argument is deprecated", DeprecationWarning)


@deprecated("use load instead")
def marked(path):
    return path


def documented(path):
    """Load a file.

    .. deprecated:: 1.2
       Use :func:`load` instead.
    """


def gone(path):
    raise RuntimeError("gone has been removed in 2.0, use load instead")


class Store:
    def __init__(self):
        pass

    def fetch(self, key):
        return key

    def get(self, key):
        """Deprecated: use fetch() instead."""


class OldStore(Store):
    def __init__(self):
        warnings.warn("OldStore is deprecated", DeprecationWarning)
'''


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with one package, `shelfware` 1.2."""
    root = tmp_path_factory.mktemp("workspace")
    venv.create(root, with_pip=False, symlinks=True)
    site = next((root / "lib").glob("python*")) / "site-packages"
    package = site / "shelfware"
    package.mkdir()
    (package / "_core.py").write_text(SOURCE)
    (package / "__init__.py").write_text("from ._core import *\nfrom ._core import Store\n")
    info = site / "shelfware-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelfware\nVersion: 1.2\n")
    (info / "RECORD").write_text("shelfware/__init__.py,,\nshelfware/_core.py,,\n")
    return root / "bin" / "python"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="module")
def detector(workspace: Path, cache: Path) -> Iterator[DeprecatedDetector]:
    index = ApiIndex(str(workspace), cache)
    index.start()
    assert index.wait(120), index.status()
    detector = DeprecatedDetector(index)
    yield detector
    detector.close()


@pytest.fixture(scope="module")
def table_only() -> DeprecatedDetector:
    return DeprecatedDetector(ApiIndex(None, None))


def find(
    detector: DeprecatedDetector, prefix: str, suggestion: str, suffix: str = ""
) -> list[Finding]:
    return list(detector.find(Case(prefix, suggestion, suffix, "python")))


def seen(found: list[Finding], text: str) -> list[tuple[str, str, str | None]]:
    return [(one.rule, text[one.start : one.end], one.replacement) for one in found]


@pytest.mark.parametrize(
    ("prefix", "suggestion", "expected"),
    [
        ("import shelfware\n", "shelfware.old_load(p)", ("shelfware.old_load", "old_load", "load")),
        ("import shelfware as s\n", "s.old_load(p)", ("shelfware.old_load", "old_load", "load")),
        (
            "from shelfware import old_load\n",
            "old_load(p)",
            ("shelfware.old_load", "old_load", None),
        ),
        (
            "from shelfware import Store\ns = Store()\n",
            "s.get(1)",
            ("shelfware.Store.get", "get", "fetch"),
        ),
        ("import shelfware\n", "shelfware.marked(p)", ("shelfware.marked", "marked", "load")),
        ("import shelfware\n", "x = shelfware.gone", ("shelfware.gone", "gone", "load")),
        ("import shelfware\n", "shelfware.OldStore()", ("shelfware.OldStore", "OldStore", None)),
        ("from shelfware import ", "documented", ("shelfware.documented", "documented", "load")),
    ],
)
def test_a_name_that_the_workspace_deprecates_is_found(
    detector: DeprecatedDetector, prefix: str, suggestion: str, expected: tuple[str, str, str]
) -> None:
    assert seen(find(detector, prefix, suggestion), suggestion) == [expected]


@pytest.mark.parametrize(
    ("prefix", "suggestion"),
    [
        ("import shelfware\n", "shelfware.load(p)"),
        ("import shelfware\n", "shelfware.sometimes(p)"),
        ("import shelfware\n", "shelfware.with_argument(p)"),
        ("import shelfware\n", "issubclass(x, shelfware.OldStore)"),
        ("import other\n", "other.old_load(p)"),
        ("import shelfware\n", "x.old_load(p)"),
        ("import shelfware\ndef f(shelfware):\n    ", "shelfware.old_load(p)"),
        ("import shelfware\n", "f(old_load=1)"),
        ("", "old_load(p)"),
        ("import shelfware\n", "# shelfware.old_load(p)"),
    ],
)
def test_other_names_are_not_found(
    detector: DeprecatedDetector, prefix: str, suggestion: str
) -> None:
    assert find(detector, prefix, suggestion) == []


def test_the_message_names_the_installed_version_and_the_successor(
    detector: DeprecatedDetector,
) -> None:
    (found,) = find(detector, "import shelfware\n", "shelfware.old_load(p)")

    assert found.message == (
        "`shelfware.old_load` is deprecated in shelfware 1.2: use `shelfware.load` instead."
    )
    assert found.cwe == "CWE-477"


def test_the_index_of_a_package_is_kept_for_the_next_start(
    detector: DeprecatedDetector, cache: Path
) -> None:
    assert [path.name.rsplit("-", 1)[0] for path in cache.glob("shelfware*")] == ["shelfware-1.2"]


@pytest.mark.parametrize(
    ("prefix", "suggestion", "expected"),
    [
        (
            "import threading\nt = ",
            "threading.currentThread()",
            [("threading.currentThread", "currentThread", "current_thread")],
        ),
        (
            "import threading\nt = threading.curr",
            "entThread()",
            [("threading.currentThread", "entThread", "ent_thread")],
        ),
        ("import logging\n", "logging.warn('x')", [("logging.warn", "warn", "warning")]),
        (
            "import logging\nlog = logging.getLogger(__name__)\n",
            "log.warn('x')",
            [("logging.Logger.warn", "warn", "warning")],
        ),
        (
            "import logging\nclass A:\n    def f(self):\n        self.log = logging.getLogger()\n",
            "        self.log.warn('x')",
            [("logging.Logger.warn", "warn", "warning")],
        ),
        (
            "import collections\n",
            "isinstance(x, collections.Mapping)",
            [("collections.Mapping", "collections.Mapping", "collections.abc.Mapping")],
        ),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test_x(self):\n        ",
            "self.assertEquals(1, 2)",
            [("unittest.TestCase.assertEquals", "assertEquals", "assertEqual")],
        ),
        ("", "import imp", [("imp", "imp", None)]),
        ("import warnings\n", "warnings.warn('x')", []),
        ("log = open_log()\n", "log.warn('x')", []),
    ],
)
def test_the_shipped_table_answers_without_an_index(
    table_only: DeprecatedDetector,
    prefix: str,
    suggestion: str,
    expected: list[tuple[str, str, str]],
) -> None:
    assert seen(find(table_only, prefix, suggestion), suggestion) == expected


def test_the_deprecated_call_that_the_tiny_model_knows_is_found(
    table_only: DeprecatedDetector,
) -> None:
    prefix, target, suffix = FILES["thread"]

    found = find(table_only, prefix, target, suffix)

    assert seen(found, target) == [
        ("threading.currentThread", "currentThread", "current_thread"),
        ("threading.Thread.getName", "getName()", "name"),
    ]


def test_offsets_count_characters_not_bytes(table_only: DeprecatedDetector) -> None:
    suggestion = 'x = "äöü😀"; logging.warn(x)'

    found = find(table_only, "import logging\n# ä\n", suggestion)

    assert seen(found, suggestion) == [("logging.warn", "warn", "warning")]


def test_an_interpreter_that_cannot_run_is_said_so(tmp_path: Path) -> None:
    index = ApiIndex(str(tmp_path / "no-python"), None)

    index.start()
    index.wait(60)

    assert "cannot be asked for its packages" in index.status()
    index.close()


def test_a_broken_source_file_has_no_deprecations(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("def f(:\n    'deprecated'\n")

    assert scan_file(file, "broken") == []
