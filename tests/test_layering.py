"""Who may import whom, as DESIGN.md draws it, and what the typing path may not wait for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "store": {"store"},
    "server": {"store", "server"},
    "unlearn": {"store", "server", "unlearn"},
    "lsp": {"lsp"},
    "commands": {"store", "server", "unlearn", "lsp", "commands"},
}

FOLDERS = set(MAY_IMPORT) | {"unsay", "benchmarks", "tests"}


def imported_folders(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide who depends on whom"
            found.add((node.module or "").split(".")[0])
    return found & FOLDERS


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_the_design_allows(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))

    wrong = {
        str(file.relative_to(ROOT)): sorted(imported_folders(file) - MAY_IMPORT[folder])
        for file in files
        if imported_folders(file) - MAY_IMPORT[folder]
    }

    assert files
    assert wrong == {}


def test_no_module_carries_the_name_of_a_folder() -> None:
    names = [file for folder in MAY_IMPORT for file in (ROOT / folder).rglob("*.py")]

    assert [str(file) for file in names if file.stem in FOLDERS] == []


def test_no_file_is_a_drawer() -> None:
    drawers = {"utils", "helpers", "common", "base", "misc"}

    files = [file for folder in MAY_IMPORT for file in (ROOT / folder).rglob("*.py")]

    assert [str(file) for file in files if file.stem in drawers] == []


def reads_environment(file: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ("environ", "environb", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    )


def test_only_the_command_line_reads_the_environment() -> None:
    files = [file for folder in MAY_IMPORT for file in (ROOT / folder).rglob("*.py")]

    assert [str(file.relative_to(ROOT)) for file in files if reads_environment(file)] == []
    assert reads_environment(ROOT / "unsay.py")


@pytest.mark.parametrize("module", ["lsp.start", "commands.language_server", "unsay"])
def test_the_language_server_imports_no_torch(module: str) -> None:
    code = (
        f"import sys, {module}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )

    assert answer.stdout.strip() == "[]"
