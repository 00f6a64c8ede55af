"""The extension in a real VS Code, with the real language server, server and a real model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from editors.installation import Installation, new_installation, until
from editors.toolbox import BUILD, CODE_SERVER, NODE, PLAYWRIGHT, need
from editors.workbench import Workbench, package_extension, time_limit, vscode
from tiny_model import FILES

pytestmark = [pytest.mark.editor, pytest.mark.slow]

LIMIT_S = 90.0
SCREENSHOTS = BUILD / "screenshots"


@dataclass(frozen=True)
class Desk:
    """A window on a workspace, and the Unsay behind it."""

    window: Workbench
    workspace: Path
    unsay: Installation

    def type_prefix(self, name: str) -> str:
        """Type the file `name` up to what the model knows by heart, and return that."""
        prefix, known, _ = FILES[name]
        self.window.open(f"{name}.py")
        self.window.type(prefix)
        return known

    def seen_again(self, wait_s: float) -> str | None:
        """What is suggested when the blank before the cursor is typed once more."""
        self.window.press("Escape", "Backspace")
        self.window.type(" ")
        return self.window.ghost(wait_s)

    def saved(self, name: str) -> str:
        """The file `name` on disk after Ctrl+S, once it is no longer empty."""
        self.window.press("Control+s")
        path = self.workspace / f"{name}.py"
        return until(path.read_text, f"{path.name} on disk", wait_s=20)


@pytest.fixture(scope="module")
def vsix() -> Path:
    need(NODE, CODE_SERVER, PLAYWRIGHT, "chromium")
    return package_extension()


@pytest.fixture(scope="module")
def shared_desk(
    vsix: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("vscode")
    workspace = folder / "workspace"
    workspace.mkdir()
    for name in ("mean", "read", "point", "note"):
        (workspace / f"{name}.py").touch()
    unsay = new_installation(folder / "home", tiny_model)
    settings: dict[str, object] = {
        "unsay.pythonPath": sys.executable,
        "unsay.home": str(unsay.home),
    }
    try:
        with vscode(folder / "code", vsix, workspace, settings) as window:
            try:
                until(lambda: "ready" in window.status(), "the server that the extension starts")
            finally:
                window.screenshot(SCREENSHOTS / "start.png")
            yield Desk(window, workspace, unsay)
    finally:
        unsay.stop()


@pytest.fixture
def desk(shared_desk: Desk, request: pytest.FixtureRequest) -> Iterator[Desk]:
    with time_limit(shared_desk.window, LIMIT_S):
        shared_desk.window.press("Escape")  # what a failed test may have left open
        yield shared_desk
        shared_desk.window.screenshot(SCREENSHOTS / f"{request.node.name}.png")


def test_a_suggestion_is_seen_and_taken_with_tab(desk: Desk) -> None:
    known = desk.type_prefix("mean")

    seen = desk.window.ghost()
    desk.window.screenshot(SCREENSHOTS / "ghost-text.png")
    desk.window.press("Tab")

    assert seen == known
    assert desk.saved("mean") == FILES["mean"][0] + known


def test_unsay_this_on_a_selection_bans_it_from_the_next_request_on(desk: Desk) -> None:
    known = desk.type_prefix("read")
    assert desk.window.ghost() == known
    desk.window.press("Tab", "Home", "Shift+End")

    desk.window.menu("Unsay this")
    item = until(desk.unsay.ledger, "the item in the ledger", wait_s=20)[0]
    desk.window.press("Delete")
    again = desk.seen_again(wait_s=4)

    assert (item["kind"], item["state"], item["blamed_chars"]) == ("user", "banned", len(known))
    assert again is None or known not in again


def test_the_last_suggestion_is_unsaid_without_taking_it_and_taken_back(desk: Desk) -> None:
    known = desk.type_prefix("point")
    assert desk.window.ghost() == known
    before = len(desk.unsay.ledger("banned"))

    desk.window.palette("Unsay: Unsay the last suggestion")
    until(lambda: len(desk.unsay.ledger("banned")) > before, "the item in the ledger", wait_s=20)
    banned = desk.seen_again(wait_s=4)
    desk.window.palette("Unsay: Take back what was unsaid last")
    assert desk.window.message("Taken back", wait_s=20)  # the ledger is told a moment earlier
    assert len(desk.unsay.ledger("banned")) == before
    allowed = desk.seen_again(wait_s=20)

    assert banned is None or known not in banned
    assert allowed == known


def test_the_lightbulb_offers_to_unsay_a_selection(desk: Desk) -> None:
    before = len(desk.unsay.ledger())
    desk.window.open("note.py")
    desk.window.type("answer = compute(42)")
    desk.window.press("Escape", "Shift+Home")

    desk.window.lightbulb("Unsay this")

    until(lambda: len(desk.unsay.ledger()) > before, "the item in the ledger", wait_s=20)


def test_the_status_bar_shows_state_and_generation_and_tells_more_on_a_click(desk: Desk) -> None:
    until(  # what an earlier test left to be read ahead may still be worked on
        lambda: desk.window.status() == "Unsay: ready, base", "a status that says state and more"
    )

    desk.window.click_status()
    told = desk.window.message("generation base")

    assert told == "Unsay: Ready, generation base."


def test_a_python_without_unsay_gives_one_message_that_says_what_to_do(
    vsix: Path, tmp_path: Path
) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "empty.py").touch()
    python = str(BUILD / "python" / "bin" / "python")

    with (
        vscode(
            tmp_path / "code", vsix, tmp_path / "workspace", {"unsay.pythonPath": python}
        ) as window,
        time_limit(window, LIMIT_S),
    ):
        said = window.message("Unsay is not installed")
        status = window.status()

    assert said is not None and said.startswith(f"Unsay is not installed for {python}")
    assert status == "Unsay: stopped"
