"""An opt-in log of what happened, as JSON lines. Takes facts, never text of a document."""

from __future__ import annotations

import json
import os
import time


class EventLog:
    """Appends to a file when a path is set, and does nothing otherwise."""

    def __init__(self) -> None:
        self.path: str | None = None

    def write(self, event: str, **facts: str | int | float | bool | None) -> None:
        if self.path is None:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        line = json.dumps({"at": stamp, "event": event, **facts})
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line.encode() + b"\n")
            finally:
                os.close(file)
        except OSError:  # a log that cannot be written must not cost a suggestion
            self.path = None
