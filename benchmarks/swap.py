"""1,000 completions over HTTP while the generation is swapped 20 times under them.

    python -m benchmarks.swap [--model FOLDER] [--completions 1000] [--swaps 20]

A real server process, four clients at once. Every answer must be the text that the generation it
names gives to that prompt in quiet. Writes results/swap.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.machine import machine
from benchmarks.random_generation import make_generation
from benchmarks.swap_load import MAX_TOKENS, Outcome, Target, swap_under_load
from server.engine.config import EMBEDDED_MODEL
from store.database import open_database
from store.home import Home

RESULT = Path(__file__).parent / "results" / "swap.json"
START_S = 120.0
PROMPT_CHARS = 1200

SERVE = """
import sys
from pathlib import Path
from server.app import serve
from server.config import NightlyConfig, ServerConfig
from server.engine.config import EngineConfig
from server.guard.config import GuardConfig
from store.home import Home

serve(
    Home(Path(sys.argv[1])),
    ServerConfig(port=0, nightly=NightlyConfig(window=None)),
    EngineConfig(model=sys.argv[2], device="cpu"),
    GuardConfig(index_packages=False),
    refresh_command=("false",),
    refresh_environment={},
)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if nothing failed and nothing was mixed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swap", description=__doc__)
    parser.add_argument("--model", type=Path, default=EMBEDDED_MODEL)
    parser.add_argument("--completions", type=int, default=1000)
    parser.add_argument("--swaps", type=int, default=20)
    asked = parser.parse_args(arguments)
    begun = time.perf_counter()
    outcome = swapped(asked.model, asked.completions, asked.swaps)
    row = _row(asked.model.name, outcome, time.perf_counter() - begun)
    print(_table(row))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"machine": machine(), "rows": [row]}, indent=1) + "\n")
    return 0 if outcome.failed == outcome.mixed == 0 else 1


def swapped(
    model: Path,
    completions: int,
    swaps: int,
    *,
    max_tokens: int = MAX_TOKENS,
    prompt_chars: int = PROMPT_CHARS,
) -> Outcome:
    """Serve `model` with three generations made at random, and change them under load."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        db = open_database(home)
        names = [make_generation(db, home, model, seed) for seed in (1, 2, 3)]
        db.close()
        with serving(home, model) as url:
            target = Target(url, home.token.read_text(), tuple(names), max_tokens)
            load = swap_under_load(
                target, _prompts(prompt_chars), completions=completions, swaps=swaps
            )
            return asyncio.run(load)


def _prompts(chars: int) -> list[str]:
    """Beginnings of functions out of this repository's own files."""
    files = sorted((Path(__file__).parent.parent / "server").glob("*.py"))[:10]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return [text[: text.find("\n", len(text) // 3) + 1][-chars:] for text in texts]


def _row(model: str, outcome: Outcome, seconds: float) -> dict[str, object]:
    return {
        "model": model,
        "completions": outcome.completed,
        "swaps": len(outcome.pause_ms),
        "failed": outcome.failed,
        "mixed": outcome.mixed,
        "by_generation": sorted(outcome.by_generation.values()),
        "quiet_p50_ms": round(statistics.median(outcome.quiet_ms), 1),
        "loaded_p50_ms": round(statistics.median(outcome.loaded_ms), 1),
        "loaded_p95_ms": round(statistics.quantiles(outcome.loaded_ms, n=20)[-1], 1),
        "prepare_p50_ms": round(statistics.median(outcome.prepare_ms), 1),
        "pause_max_ms": round(max(outcome.pause_ms), 3),
        "seconds": round(seconds, 1),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _table(row: dict[str, object]) -> str:
    width = max(map(len, row))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in row.items())


@contextmanager
def serving(home: Home, model: Path) -> Generator[str]:
    """The address of a server process, once its model is in memory."""
    child = subprocess.Popen([sys.executable, "-c", SERVE, str(home.root), str(model)])
    try:
        yield _until_ready(home, child)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def _until_ready(home: Home, child: subprocess.Popen[bytes]) -> str:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up and child.poll() is None:
        try:
            url: str = json.loads(home.address.read_text())["url"]
            with urlopen(f"{url}/health", timeout=5):
                return url
        except (OSError, ValueError, URLError):
            time.sleep(0.1)
    raise SystemExit("the server did not start: see what it said above")


if __name__ == "__main__":
    sys.exit(main())
