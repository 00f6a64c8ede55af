"""Stands in for the batch job: a process that writes its run's rows and ends as it is told.

    python refresh_stand_in.py HOME HOW --mode MODE [--method METHOD]

HOW is `promoted`, `slow`, `dies`, `fails` or `silent`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent.parent))

from store import runs
from store.database import open_database
from store.home import Home
from store.records import RunMode


def main(root: str, how: str, *options: str) -> int:
    asked: dict[str, Any] = dict(zip(options[::2], options[1::2], strict=True))
    if how == "silent":
        print("unsay: the model is missing: run unsay doctor", file=sys.stderr)
        return 3
    home = Home(Path(root))
    db = open_database(home)
    mode = cast("RunMode", asked["--mode"])
    run = runs.start(db, mode, asked.get("--method", "prod"), os.getpid())
    if how == "dies":
        os.kill(os.getpid(), 9)
    if how == "slow":
        (home.root / "slow.pid").write_text(str(os.getpid()))
        time.sleep(60)
    for done in range(1, 4):
        runs.progress(db, run.id, "train", done, 3, f"It has seen {done} of 3.")
        time.sleep(0.3)
    ending = "failed" if how == "fails" else "promoted"
    runs.finish(db, run.id, ending, "It is done.", None)
    db.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
