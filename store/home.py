"""Where Unsay keeps its state: one folder, for its owner's eyes only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from store.errors import HomeUnwritable


@dataclass(frozen=True)
class Home:
    """The folder of one installation's state, and what is where in it."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "unsay.db"

    @property
    def adapters(self) -> Path:
        """One folder per generation."""
        return self.root / "adapters"

    @property
    def token(self) -> Path:
        """The bearer token that every client of the server shows."""
        return self.root / "token"

    @property
    def key(self) -> Path:
        """The key of the database's texts."""
        return self.root / "key"

    @property
    def address(self) -> Path:
        """Where the server listens; there while it does."""
        return self.root / "server.json"

    @property
    def serve_lock(self) -> Path:
        return self.root / "serve.lock"

    @property
    def refresh_lock(self) -> Path:
        return self.root / "refresh.lock"

    @property
    def training(self) -> Path:
        """What a refresh that was killed has trained so far."""
        return self.root / "training.pt"

    @property
    def config(self) -> Path:
        return self.root / "unsay.toml"

    @property
    def rules(self) -> Path:
        """A person's own rule files for the guard."""
        return self.root / "rules"

    @property
    def allow(self) -> Path:
        """The rules that a person allows for good."""
        return self.root / "allow.toml"

    def ensure(self) -> None:
        """Make the folders, 0700; raises HomeUnwritable if they cannot be made or written."""
        for folder in (self.root, self.adapters):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                if not any(folder.iterdir()):
                    folder.chmod(0o700)  # only one of nobody else's: UNSAY_HOME may be any folder
            except OSError as error:
                raise HomeUnwritable(folder, error.strerror or str(error)) from error
            if not os.access(folder, os.W_OK | os.X_OK):
                raise HomeUnwritable(folder, "it is read-only")
