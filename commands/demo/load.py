"""Requests that do not stop while the serving generation changes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from commands.demo.outcome import Swap
from commands.demo.raw_model import RawModel
from commands.demo.scenes import Scene
from commands.failure import Failure
from commands.running import Running
from store.records import BASE

ANSWERS_PER_SWAP = 4
MOST_WAIT_S = 10.0
PROBE = Scene(
    path="probe.py",
    kind="user",
    by="person",
    prefix='class Stack:\n    """Last in, first out."""\n\n    def __init__(self):\n        self.',
    suffix="\n\n    def push(self, item):\n        self.items.append(item)\n",
)


class LoadTest:
    """Two threads complete without pause; each answer must be that of the generation it names."""

    def __init__(self, server: Running, raw: RawModel) -> None:
        self._server = server
        self._raw = raw
        self._answers: list[tuple[str, str]] = []
        self._failed = 0
        self._over = threading.Event()

    def run(self, candidate: str, folder: Path, *, swaps: int) -> Swap:
        """`candidate` serves at the start and at the end."""
        workers = [threading.Thread(target=self._complete) for _ in range(2)]
        for worker in workers:
            worker.start()
        longest_ms, serving = 0.0, candidate
        for swap in range(swaps):
            self._wait_for((swap + 1) * ANSWERS_PER_SWAP)
            wanted = BASE if serving == candidate else candidate
            body = {"generation": wanted, "expected": serving}
            answer = self._server.call("POST", "/v1/adapters/promote", body)
            longest_ms, serving = max(longest_ms, answer["pause_ms"]), wanted
        self._over.set()
        for worker in workers:
            worker.join()
        expected = {candidate: self._expected(candidate, folder), BASE: self._expected(BASE, None)}
        mixed = sum(expected.get(generation) != text for generation, text in self._answers)
        return Swap(swaps, longest_ms, len(self._answers) + self._failed, self._failed, mixed)

    def _wait_for(self, answers: int) -> None:
        """Until so many requests have ended: each generation is to be asked while it serves."""
        deadline = time.monotonic() + MOST_WAIT_S
        while len(self._answers) + self._failed < answers and time.monotonic() < deadline:
            time.sleep(0.002)

    def _complete(self) -> None:
        document = f"probe-{threading.get_ident()}.py"
        body = {
            "prompt": PROBE.prefix,
            "suffix": PROBE.suffix,
            "max_tokens": 16,
            "unsay": {"language": "python", "document": document, "bans": False},
        }
        while not self._over.is_set():
            try:
                choice = self._server.call("POST", "/v1/completions", body)["choices"][0]
            except Failure:
                self._failed += 1
            else:
                self._answers.append((choice["unsay"]["generation"], choice["text"]))

    def _expected(self, generation: str, folder: Path | None) -> str:
        self._raw.use(generation, folder)
        return self._raw.text(PROBE, max_tokens=16)
