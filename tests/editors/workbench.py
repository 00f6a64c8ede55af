"""A real VS Code with our extension in it, used as a person would: by keys, mouse and eyes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from editors.toolbox import BUILD, CODE_SERVER, EXTENSION, NODE, clean_environment

CALM = {
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.enableExperiments": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "extensions.autoUpdate": False,
    "extensions.autoCheckUpdates": False,
    "chat.disableAIFeatures": True,
    "git.enabled": False,
    "files.hotExit": "off",
    "files.autoSave": "off",
    "editor.inlineSuggest.enabled": True,
    "editor.quickSuggestions": {"other": "off"},
    "editor.wordBasedSuggestions": "off",
    "editor.minimap.enabled": False,
    "editor.accessibilitySupport": "off",
    # what is typed is what stands in the file
    "editor.autoIndent": "none",
    "editor.autoClosingBrackets": "never",
    "editor.autoClosingQuotes": "never",
    "editor.trimAutoWhitespace": False,
    "editor.useTabStops": False,  # a backspace takes one blank, not a whole indent
}

PATIENCE_S = 45.0


class Workbench:
    """One window. Every method does what its name says, or raises with what stood in the way."""

    def __init__(self, hands: subprocess.Popen[str]) -> None:
        self._hands = hands

    def visit(self, url: str) -> None:
        self._order("visit", url)

    def open(self, name: str) -> None:
        """Open a file of the workspace and put the cursor into it."""
        self._order("open", name)

    def type(self, text: str) -> None:
        self._order("type", text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._order("press", key)

    def ghost(self, wait_s: float = PATIENCE_S) -> str | None:
        """The grey text at the cursor, or None if none comes in time."""
        said = self._order("ghost", wait_s=wait_s)
        return None if said is None else said.replace("\N{NO-BREAK SPACE}", " ")

    def message(self, containing: str, wait_s: float = PATIENCE_S) -> str | None:
        """The message box with this text in it, or None if none comes in time."""
        return self._order("message", containing, wait_s=wait_s)

    def palette(self, title: str) -> None:
        """Run a command by its title, through the command palette."""
        self._order("palette", title)

    def menu(self, title: str) -> None:
        """Choose from the context menu of the selected text."""
        self._order("menu", title)

    def lightbulb(self, title: str) -> None:
        """Choose from the code actions at the cursor."""
        self._order("lightbulb", title)

    def status(self) -> str:
        """The text of our status bar item."""
        return (self._order("status") or "").strip()

    def click_status(self) -> None:
        self._order("click_status")

    def close(self) -> None:
        """At once; whatever waits for the window then fails."""
        self._hands.kill()

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._order("screenshot", str(path))

    def _order(self, verb: str, text: str = "", wait_s: float = PATIENCE_S) -> str | None:
        assert self._hands.stdin and self._hands.stdout
        order = {"verb": verb, "text": text, "wait_ms": wait_s * 1000}
        self._hands.stdin.write(json.dumps(order) + "\n")
        self._hands.stdin.flush()
        answer = json.loads(self._hands.stdout.readline() or '{"failed": "the browser is gone"}')
        if "failed" in answer:
            raise AssertionError(f"VS Code, {verb} {text!r}: {answer['failed']}")
        return answer["said"]


def package_extension() -> Path:
    """The .vsix, built from the sources as they are now."""
    npm = [str(BUILD / "bin" / "npm"), "run", "--silent", "package"]
    built = subprocess.run(
        npm, cwd=EXTENSION, env=clean_environment(), capture_output=True, text=True, timeout=120
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return EXTENSION / "dist" / "unsay.vsix"


@contextmanager
def vscode(
    folder: Path, vsix: Path, workspace: Path, settings: dict[str, object]
) -> Generator[Workbench]:
    """A window on `workspace`, its state in `folder`, our extension installed from `vsix`."""
    for place in ("User", "Machine"):  # only with both does a setting of machine scope hold at once
        path = folder / "data" / place / "settings.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**CALM, **settings}))
    _code_server(folder, "--install-extension", str(vsix)).wait(timeout=60)
    port = _free_port()
    with _ended(_code_server(folder, "--bind-addr", f"127.0.0.1:{port}", "--auth", "none")):
        _wait_for(f"http://127.0.0.1:{port}/healthz")
        hands = subprocess.Popen(
            [
                NODE,
                "--no-warnings",
                Path(__file__).with_name("browser.ts"),
                shutil.which("chromium") or "",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
            start_new_session=True,
        )
        with _ended(hands):
            workbench = Workbench(hands)
            workbench.visit(f"http://127.0.0.1:{port}/?folder={workspace}")
            yield workbench


@contextmanager
def time_limit(workbench: Workbench, seconds: float) -> Generator[None]:
    """Close the window after `seconds`."""
    watch = threading.Timer(seconds, workbench.close)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _code_server(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    config = folder / "code-server.yaml"
    config.write_text("bind-addr: 127.0.0.1:0\nauth: none\ncert: false\n")
    fixed = (
        "--disable-telemetry",
        "--disable-update-check",
        "--disable-workspace-trust",
        "--disable-getting-started-override",
    )
    places = ("--user-data-dir", folder / "data", "--extensions-dir", folder / "extensions")
    with (folder / "code-server.log").open("ab") as log:
        return subprocess.Popen(
            [NODE, CODE_SERVER, "--config", config, *fixed, *places, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=clean_environment(EXTENSIONS_GALLERY="{}"),  # asks nobody outside
            start_new_session=True,
        )


@contextmanager
def _ended(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> Generator[None]:
    """Ask `process` to end, each kind in its way, and see that its children do too."""
    try:
        yield
    finally:
        if process.stdin is None:
            process.terminate()
        else:
            process.stdin.close()
        process.wait(timeout=10)
        _end_group(process.pid)
        if process.stdout is not None:
            process.stdout.close()


def _end_group(group: int) -> None:
    """What a process leaves behind ends by itself within seconds, or is made to."""
    with suppress(ProcessLookupError):
        for _ in range(30):
            os.killpg(group, 0)
            time.sleep(0.1)
        os.killpg(group, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
