"""10,000 requests over HTTP during 100 swaps."""

from __future__ import annotations

from benchmarks.engine.models import NAMES, Size, folder
from benchmarks.engine.rows import Row
from benchmarks.swap import swapped

SWAPS: dict[Size, tuple[int, int]] = {"S": (10_000, 100), "M": (100, 4)}
"""Requests and swaps; of M a hundredth, as 10,000 take a day on two cores."""
NEW_TOKENS, PROMPT_CHARS = 8, 160
PAUSE_MS = 50.0


def swap_rows(size: Size) -> list[Row]:
    """What failed, what mixed two generations, and the longest pause."""
    requests, swaps = SWAPS[size]
    outcome = swapped(
        folder(size), requests, swaps, max_tokens=NEW_TOKENS, prompt_chars=PROMPT_CHARS
    )
    what = f"{requests:,} requests during {swaps} swaps"
    return [
        Row(NAMES[size], f"{what}: failed", value=outcome.failed, mark=0),
        Row(NAMES[size], f"{what}: mixed", value=outcome.mixed, mark=0),
        Row(
            NAMES[size],
            f"{what}: longest pause",
            ours_ms=round(max(outcome.pause_ms), 3),
            mark=PAUSE_MS,
        ),
    ]
