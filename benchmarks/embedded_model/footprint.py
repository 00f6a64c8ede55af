"""What it takes to have a model ready: seconds and memory of a process that does nothing else.

    python -m benchmarks.embedded_model.footprint server/default_model

loads the engine as the server does, completes once and prints one JSON object.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil

from benchmarks.embedded_model.figures import Row

PREFIX = "import os\n\n\ndef size(path):\n    return os.path."
MEASURES = {
    "import_s": "seconds to import torch and the engine",
    "load_s": "seconds to load the model",
    "first_s": "seconds to the first completion",
    "libraries_mb": "MB of the libraries",
    "model_mb": "MB more with the model loaded",
    "peak_mb": "MB at most, all in all",
}


def footprint_rows(folder: Path, times: int) -> list[Row]:
    """Medians over `times` fresh processes."""
    command = [sys.executable, "-m", "benchmarks.embedded_model.footprint", str(folder)]
    runs = [
        json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(times)
    ]
    return [
        Row(
            "a fresh process", "embedded model", None, name, statistics.median(r[key] for r in runs)
        )
        for key, name in MEASURES.items()
    ]


def _measure(folder: Path) -> dict[str, float]:
    marks = [(time.perf_counter(), _resident_mb())]
    from server.engine.config import EngineConfig
    from server.engine.local import open_engine
    from server.engine.protocol import Ask

    marks.append((time.perf_counter(), _resident_mb()))
    engine = open_engine(EngineConfig(model=str(folder)))
    marks.append((time.perf_counter(), _resident_mb()))
    engine.complete(Ask(PREFIX, "\n"))
    marks.append((time.perf_counter(), _resident_mb()))
    seconds = [after[0] - before[0] for before, after in pairwise(marks)]
    return {
        "import_s": seconds[0],
        "load_s": seconds[1],
        "first_s": seconds[2],
        "libraries_mb": marks[1][1],
        "model_mb": marks[2][1] - marks[1][1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _resident_mb() -> float:
    return psutil.Process().memory_info().rss / 2**20


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]))))
