"""`unsay bench`: how quick the model is on this machine."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

from commands.settings import Settings

SUMMARY = """\
Say how quick the model is on this machine: loading, completing in a document for the first time,
and completing while somebody types. The code completed is the standard library's. Stop the server
first, or both will be slower than they are."""
EXAMPLE = """\
unsay bench
unsay bench --model Qwen/Qwen2.5-Coder-0.5B --json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="name or folder of a code model (default: the embedded)")
    parser.add_argument("--device", help="cpu, cuda or auto (default auto)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: half of the cores)")
    parser.add_argument("--places", type=int, default=7, help="cursors to complete at (default 7)")
    parser.add_argument("--max-tokens", type=int, default=32, help="tokens to say (default 32)")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    import psutil
    import torch

    from commands.parts import engine_config
    from server.engine.local import open_engine
    from server.engine.timing import time_engine

    given = {"model": asked.model, "device": asked.device, "threads": asked.threads}
    begun = time.perf_counter()
    engine = open_engine(engine_config(settings, **given))
    load_ms = (time.perf_counter() - begun) * 1000
    print(f"{engine.model} on {engine.loaded.device}: measuring ...", file=sys.stderr)
    timings = time_engine(engine, places=asked.places, max_tokens=asked.max_tokens)
    found = {
        "model": engine.model,
        "device": str(engine.loaded.device),
        "threads": torch.get_num_threads(),
        "load_ms": round(load_ms),
        "memory_mb": round(psutil.Process().memory_info().rss / 2**20),
        "rows": [asdict(one) for one in timings],
    }
    engine.close()
    if asked.json:
        print(json.dumps(found))
        return 0
    print(f"{'':<26}{'half of them within':>20}{'the slowest':>14}")
    for one in timings:
        print(f"{one.measure:<26}{one.p50_ms:>17.1f} ms{one.worst_ms:>11.1f} ms")
    print(f"{'loading':<26}{load_ms:>17.0f} ms")
    print(f"{found['threads']} threads, {found['memory_mb']} MB")
    return 0
