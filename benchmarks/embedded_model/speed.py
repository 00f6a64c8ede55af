"""Decoding speed: our engine and plain `generate`, in turns, on the same prompts."""

import statistics
import time
from typing import Any

import torch

from benchmarks.embedded_model.figures import Row
from benchmarks.embedded_model.lines import Hole
from server.engine.load import LoadedModel, read_weights
from server.engine.local import LocalEngine
from server.engine.prompt import prompt_ids
from server.engine.protocol import Ask

TOKENS = 64
PREFIX_CHARS = 1_200
SUFFIX_CHARS = 500


def speed_rows(loaded: LoadedModel, holes: list[Hole]) -> list[Row]:
    """Tokens a second after the first one; medians over the holes, the first hole warms up."""
    engine = LocalEngine(loaded)
    plain = read_weights(loaded.folder, loaded.dtype).to(loaded.device)
    found: dict[str, list[float]] = {"embedded model": [], "transformers generate": []}
    for i, hole in enumerate(holes):
        ask = Ask(
            hole.cut.prefix[-PREFIX_CHARS:],
            hole.cut.suffix[:SUFFIX_CHARS],
            max_tokens=TOKENS,
            document=str(i),
            stop_rules=False,
        )
        ours, theirs = _ours(engine, ask), _generate(plain, loaded, ask)
        if i > 0 and ours and theirs:
            found["embedded model"].append(ours)
            found["transformers generate"].append(theirs)
    return [
        Row("decoding", tool, None, "tokens a second", statistics.median(paces))
        for tool, paces in found.items()
        if paces
    ]


def _ours(engine: LocalEngine, ask: Ask) -> float | None:
    [done] = engine.complete(ask)
    return _pace(len(done.tokens), done.first_token_ms / 1000, done.total_ms / 1000)


def _generate(plain: Any, loaded: LoadedModel, ask: Ask) -> float | None:
    ids = torch.tensor([prompt_ids(loaded, ask.prefix, ask.suffix, ask.max_tokens)])
    ids = ids.to(loaded.device)
    took: list[float] = []
    new = 0
    for most in (1, ask.max_tokens):
        started = time.perf_counter()
        out = plain.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=most,
            do_sample=False,
            pad_token_id=loaded.end,
            eos_token_id=sorted(loaded.stops),
        )
        took.append(time.perf_counter() - started)
        new = out.shape[1] - ids.shape[1]
    return _pace(new, *took)


def _pace(tokens: int, first_s: float, total_s: float) -> float | None:
    """None for a completion too short to say anything."""
    return (tokens - 1) / (total_s - first_s) if tokens > 8 and total_s > first_s else None
