"""Starts the language server on standard input and output."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsp.greeting import Greeted, greet

if TYPE_CHECKING:  # only what `greet` needs may be imported before it has answered
    from lsp.config import LspConfig


def run(
    home: Path,
    config: LspConfig,
    serve_command: Sequence[str],
    environment: Mapping[str, str],
    version: str = "0.1.0",
) -> int:
    """Serve one editor until it leaves; answers `initialize` before the imports.

    `home` holds the server's address and token; `serve_command`, run in `environment`, starts a
    server when none answers.
    """
    greeted = greet(sys.stdin.buffer, sys.stdout.buffer, version)
    _serve(greeted, home, config, serve_command, environment, version)
    return 0


def _serve(
    greeted: Greeted,
    home: Path,
    config: LspConfig,
    serve_command: Sequence[str],
    environment: Mapping[str, str],
    version: str,
) -> None:
    from lsp.features import register
    from lsp.protocol import EditorServer, Replayed, silence_libraries
    from lsp.session import ServerStart, Session

    silence_libraries()
    editor = EditorServer(version)
    editor.messages.answered = greeted.answered
    register(Session(editor, home, config, ServerStart(serve_command, environment)))
    editor.start_io(stdin=Replayed(greeted.read, sys.stdin.buffer))
