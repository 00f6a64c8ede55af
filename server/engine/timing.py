"""How long this engine takes on this machine: cold, while somebody types, and for alternatives."""

from __future__ import annotations

import statistics
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from server.engine.local import LocalEngine
from server.engine.protocol import Ask, Completion

FILES = ("argparse.py", "ast.py", "csv.py", "difflib.py", "enum.py", "heapq.py", "inspect.py")
KEYS = 4
"""So many characters are typed between two requests."""
ALTERNATIVES = 3


@dataclass(frozen=True)
class Timing:
    """One measure over all places."""

    measure: str
    requests: int
    p50_ms: float
    worst_ms: float


def time_engine(engine: LocalEngine, *, places: int = 7, max_tokens: int = 32) -> list[Timing]:
    """Complete at `places` cursors of the standard library's files, cold and then typed on.

    All requests say `max_tokens` tokens unless the model ends before.
    """
    took: dict[str, list[float]] = {}
    for number, (prefix, typed, suffix) in enumerate(cursors(places + 1)):
        ask = Ask(prefix, suffix if engine.loaded.fim else None, max_tokens, document=str(number))
        ask = replace(ask, stop_rules=False)
        found = _times(engine, ask, typed)
        if number:  # the first one warms up
            for measure, milliseconds in found.items():
                took.setdefault(measure, []).append(milliseconds)
    return [
        Timing(measure, len(all_ms), round(statistics.median(all_ms), 1), round(max(all_ms), 1))
        for measure, all_ms in took.items()
    ]


def cursors(count: int) -> Iterator[tuple[str, str, str]]:
    """Prefix, the characters typed next, and suffix, in real code."""
    folder = Path(sysconfig.get_path("stdlib"))
    for i in range(count):
        text = (folder / FILES[i % len(FILES)]).read_text(encoding="utf-8")
        at = text.find("\n", len(text) // 3 + 977 * (i // len(FILES))) + 9
        yield text[:at], text[at : at + KEYS], text[text.find("\n", at + KEYS) :]


def _times(engine: LocalEngine, ask: Ask, typed: str) -> dict[str, float]:
    cold = _complete(engine, ask)
    warm = _complete(engine, replace(ask, prefix=ask.prefix + typed))
    several = replace(ask, prefix=ask.prefix + typed, n=ALTERNATIVES, seed=1)
    alternatives = _complete(engine, several)
    return {
        "cold, first token": cold.first_token_ms,
        f"cold, {ask.max_tokens} tokens": cold.total_ms,
        "typing, first token": warm.first_token_ms,
        f"typing, {ask.max_tokens} tokens": warm.total_ms,
        f"typing, {ALTERNATIVES} alternatives": alternatives.total_ms,
    }


def _complete(engine: LocalEngine, ask: Ask) -> Completion:
    return engine.complete(ask)[-1]
