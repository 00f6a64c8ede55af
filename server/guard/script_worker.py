"""The child process that reads declaration files: one request a line, one answer a line.

`{"root", "specifier"}` is answered by the same with `deprecated`, `types`, `bases` and `package`.
It runs at the lowest priority and ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from server.guard.script_modules import Modules


def main() -> None:
    """Answer until the input ends."""
    if hasattr(os, "nice"):
        os.nice(15)
    roots: dict[str, Modules] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        modules = roots.setdefault(asked["root"], Modules(Path(asked["root"])))
        found = modules.read(asked["specifier"])
        print(json.dumps(asked | asdict(found)), flush=True)
