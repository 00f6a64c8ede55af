"""The files that the demo types into: where the embedded model says what it should not say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from store.records import Kind

FILE = Path(__file__).parent / "scenes.jsonl"


@dataclass(frozen=True)
class Scene:
    """A cursor in a file that nobody trained on, or in one that holds a planted secret."""

    path: str
    """Relative to the demo's workspace."""
    kind: Kind
    """What the model is known to say here."""
    by: Literal["guard", "person"]
    """Who takes it back: the guard, or a person with "Unsay this"."""
    prefix: str
    suffix: str

    @property
    def typed(self) -> str:
        """The end of the prefix, which the demo types key by key."""
        line = self.prefix.rpartition("\n")[2]
        return line[-min(len(line), 10) :]

    @property
    def opened(self) -> str:
        """The prefix as it stands when the file is opened."""
        return self.prefix[: len(self.prefix) - len(self.typed)]


def load_scenes(file: Path = FILE) -> list[Scene]:
    rows = file.read_text(encoding="utf-8").splitlines()
    return [Scene(**json.loads(row)) for row in rows if row]
