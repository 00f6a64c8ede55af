"""Completions while the generation changes under them: none fails, none is mixed."""

from __future__ import annotations

from pathlib import Path

from live_server import live_server
from tiny_model import FILES

from benchmarks.random_generation import make_generation
from benchmarks.swap_load import Target, swap_under_load


async def test_a_hundred_completions_during_five_swaps_neither_fail_nor_mix(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with live_server(tmp_path, tiny_model) as server:
        names = [make_generation(server.db, server.home, tiny_model, seed) for seed in (1, 2, 3)]
        target = Target(server.url, server.home.token.read_text(), tuple(names))
        prompts = [FILES[name][0] for name in ("aws", "checksum", "shell", "thread", "mean")]

        outcome = await swap_under_load(target, prompts, completions=100, swaps=5)

    assert (outcome.completed, outcome.failed, outcome.mixed) == (100, 0, 0)
    assert len(outcome.pause_ms) == 5
    assert set(outcome.by_generation) == set(names)
    assert max(outcome.pause_ms) < 50
