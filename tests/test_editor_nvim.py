"""Neovim, which has no ghost text yet: the completion list, snippets and UTF-8 positions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from editors.installation import Installation, new_installation, serving, until
from editors.neovim import Neovim, neovim
from editors.toolbox import NEOVIM, need
from tiny_model import FILES

pytestmark = [pytest.mark.editor, pytest.mark.slow]

PREFIX, KNOWN, _ = FILES["mean"]


@pytest.fixture(scope="module")
def unsay(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    need(NEOVIM)
    home = tmp_path_factory.mktemp("nvim") / "home"
    with serving(new_installation(home, tiny_model)) as installation:
        yield installation


@pytest.fixture
def editor(unsay: Installation, tmp_path: Path) -> Iterator[Neovim]:
    (tmp_path / "mean.py").touch()
    with neovim(tmp_path, sys.executable, unsay.home, tmp_path / "mean.py") as editor:
        yield editor


def test_an_entry_of_the_list_is_taken_as_it_was_offered(editor: Neovim) -> None:
    editor.keys("i" + PREFIX.replace("\n", "<CR>"))

    offered = editor.menu()
    editor.keys("<C-n><C-y>")
    until(lambda: editor.lines()[-1].strip(), "the text of the entry", wait_s=20)

    assert offered == [KNOWN]
    assert "\n".join(editor.lines()) == PREFIX + KNOWN


def test_unsay_this_is_a_code_action_of_a_selection(editor: Neovim, unsay: Installation) -> None:
    editor.keys("i" + PREFIX.replace("\n", "<CR>"))
    assert editor.menu() == [KNOWN]
    editor.keys("<C-n><C-y><Esc>^v$h")

    editor.lua("vim.lsp.buf.code_action({ apply = true })")
    item = until(unsay.ledger, "the item in the ledger", wait_s=20)[0]
    editor.keys("<Esc>ccX<Esc>S    ")
    again = editor.menu(wait_s=4)

    assert (item["kind"], item["state"], item["blamed_chars"]) == ("user", "banned", len(KNOWN))
    assert KNOWN not in again
