"""`unsay lsp`: the language server on standard input and output."""

from __future__ import annotations

import argparse
import sys

from commands.settings import Settings

SUMMARY = "Run the language server on standard input and output. Editors start it."
EXAMPLE = "unsay lsp"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stdio", action="store_true", help="accepted because editors pass it; always so"
    )


def serve_command() -> tuple[str, ...]:
    """How the language server starts the server where none answers."""
    return (sys.executable, "-I", "-m", "unsay", "serve")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from lsp.config import LspConfig
    from lsp.start import run as run_lsp

    return run_lsp(
        settings.home.root,
        settings.part(LspConfig, "lsp"),
        serve_command=serve_command(),
        environment=settings.environment,
    )
