"""Loading, packing and the first token of a fresh process, and the memory it holds then."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from benchmarks.engine.models import NAMES, Size, folder
from benchmarks.engine.rows import Row

PROCESSES: dict[Size, int] = {"S": 5, "M": 2}
MEASURED = """
import json, sys, time
from pathlib import Path
began = time.perf_counter()
import psutil
from server.engine.load import load_model
from server.engine.decoder import decoder_of
from server.engine.decoder_sequence import DecoderSequence

def since():
    global began
    took, began = (time.perf_counter() - began) * 1000, time.perf_counter()
    return took

found = {"importing": since()}
loaded = load_model(Path(sys.argv[1]), "cpu")
found["loading"] = since()
decoder = decoder_of(loaded.model)
decoder.step
found["packing"] = since()
DecoderSequence(decoder).read(loaded.codec.encode("def add(a, b):")).argmax()
found["first token"] = since()
found["MiB"] = psutil.Process().memory_info().rss / 2**20
found["packed MiB"] = decoder.size_bytes / 2**20
print(json.dumps(found))
"""


def startup_rows(size: Size) -> list[Row]:
    """Medians over processes."""
    command = [sys.executable, "-c", MEASURED, str(folder(size))]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(PROCESSES[size])
    ]
    medians = {name: round(statistics.median(run[name] for run in runs), 1) for name in runs[0]}
    memory = {"MiB": "memory, MiB", "packed MiB": "memory beside the weights, MiB"}
    times = [name for name in medians if name not in memory]
    return [
        *(Row(NAMES[size], f"start-up: {name}", ours_ms=medians[name]) for name in times),
        *(Row(NAMES[size], memory[name], value=medians[name]) for name in memory),
    ]
