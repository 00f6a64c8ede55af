"""`unsay up`: a running server and what to do next."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from commands.language_server import serve_command
from commands.running import Running, find_server, health, wait_until_ready
from commands.settings import Settings

SUMMARY = "Start the server in the background if none runs, and say how to connect an editor."
EXAMPLE = "unsay up"

NEXT = """\
Unsay serves {model} (generation {generation}) at {url}

  VS Code   install vscode-extension/*.vsix; set unsay.pythonPath to {python}
  Neovim    vim.lsp.config('unsay', {{ cmd = {{ 'unsay', 'lsp' }}, filetypes = {{ 'python' }} }})
            vim.lsp.enable('unsay')
  Helix     [language-server.unsay]  command = "unsay"  args = ["lsp"]
  Emacs     (add-to-list 'eglot-server-programs '(python-mode "unsay" "lsp"))

  unsay demo      the whole loop in a few minutes
  unsay doctor    what works, what does not, what to do
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the address as JSON")
    parser.add_argument("--wait", type=float, default=120, metavar="SECONDS", help="default 120")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    server = find_server(settings.home) or start_server(settings, wait_s=asked.wait)
    said = health(server) or {}
    if asked.json:
        print(json.dumps({"url": server.url, **said}))
    else:
        print(NEXT.format(url=server.url, python=serve_command()[0], **_named(said)), end="")
    return 0


def start_server(settings: Settings, *options: str, wait_s: float) -> Running:
    """A server of this home in the background, once it is ready."""
    settings.home.ensure()
    log_file = settings.home.root / "serve.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            (*serve_command(), *options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(settings.environment),
            start_new_session=True,
        )
    return wait_until_ready(settings.home, wait_s, lambda: _ended(process, log_file))


def _ended(process: subprocess.Popen[bytes], log_file: Path) -> str | None:
    """Why the server has ended, if it has."""
    if process.poll() is None:
        return None
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1].removeprefix("unsay: ") if lines else f"it ended with {process.returncode}"


def _named(said: dict[str, object]) -> dict[str, object]:
    return {name: said.get(name, "unknown") for name in ("model", "generation")}
