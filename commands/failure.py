"""How a verb fails: one line for a person, an exit code for a script."""

from __future__ import annotations

import sys


class Failure(Exception):
    """The verb cannot do what was asked; the message says what to do instead."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def known_errors() -> tuple[type[Exception], ...]:
    """The error trees of the parts that are loaded; what is not among them is our mistake.

    A part that was never imported cannot have raised, so none is imported here.
    """
    trees = (
        ("commands.settings", "SettingsError"),
        ("store.errors", "StoreError"),
        ("server.errors", "ServerError"),
        ("server.engine.errors", "EngineError"),
        ("server.guard.errors", "GuardError"),
        ("unlearn.errors", "UnlearnError"),
        ("lsp.errors", "LspError"),
    )
    return tuple(getattr(sys.modules[name], tree) for name, tree in trees if name in sys.modules)
