"""How long a completion takes: ours cold, ours while typing, and transformers' own `generate`.

    python -m benchmarks.latency --model server/default_model

The contenders take turns in one process, so that a busy machine is unkind to all alike. All decode
greedily the same tokens of the same prompts; the texts are the standard library's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine
from server.engine.config import EMBEDDED_MODEL
from server.engine.load import LoadedModel, load_model, read_weights
from server.engine.local import LocalEngine
from server.engine.prompt import prompt_ids
from server.engine.protocol import Ask, Ban

RESULT = Path(__file__).parent / "results" / "latency.json"
FILES = (
    *("argparse.py", "ast.py", "asyncio/base_events.py", "csv.py", "dataclasses.py", "difflib.py"),
    *("doctest.py", "enum.py", "fractions.py", "ftplib.py", "gzip.py", "heapq.py", "inspect.py"),
)
KEYS = 4
BANS = 10_000


@dataclass
class Times:
    """What one contender took, in milliseconds."""

    first: list[float] = field(default_factory=list[float])
    whole: list[float] = field(default_factory=list[float])
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0

    def row(self, name: str) -> dict[str, Any]:
        count = len(self.whole)
        return {
            "contender": name,
            "requests": count,
            "prompt_tokens": round(self.prompt_tokens / count),
            "cached_tokens": round(self.cached_tokens / count),
            "new_tokens": round(self.tokens / count, 1),
            "first_p50_ms": _percentile(self.first, 50),
            "first_p95_ms": _percentile(self.first, 95),
            "p50_ms": _percentile(self.whole, 50),
            "p95_ms": _percentile(self.whole, 95),
        }


def main() -> None:
    """Measure, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(EMBEDDED_MODEL), help="a folder or a hub name")
    parser.add_argument("--places", type=int, default=24, help="cursors, in as many files' places")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, help="CPU threads; half of the cores without")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads or max(1, (os.cpu_count() or 1) // 2))
    load_model(options.model)  # transformers imports a model's code when it first needs it
    started = time.perf_counter()
    loaded = load_model(options.model)
    load_ms = (time.perf_counter() - started) * 1000
    times = measure(loaded, list(places(options.places)), options.max_tokens)
    rows = [row.row(name) for name, row in times.items()]
    print_table(rows)
    result = {
        "machine": machine(),
        "model": Path(loaded.name).name,
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "load_ms": round(load_ms),
        "rows": rows,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['model']}, {result['dtype']}, {result['threads']} threads")
    print(f"loaded in {load_ms:.0f} ms")


def places(count: int) -> Iterator[tuple[str, str, str]]:
    """Cursors in the standard library: prefix, the next typed characters, suffix."""
    chance = random.Random(1)
    folder = Path(sysconfig.get_path("stdlib"))
    for i in range(count):
        text = (folder / FILES[i % len(FILES)]).read_text(encoding="utf-8")
        lines = [at for at in range(len(text) // 4, len(text) // 2) if text[at] == "\n"]
        line = chance.choice([at for at in lines if text.find("\n", at + 1) - at > 24])
        cursor = line + 12
        yield text[:cursor], text[cursor : cursor + KEYS], text[text.find("\n", cursor) :]


def measure(
    loaded: LoadedModel, cursors: list[tuple[str, str, str]], max_tokens: int
) -> dict[str, Times]:
    """All contenders at each cursor, in turns; the first cursor warms up and does not count."""
    ours, banned = LocalEngine(loaded), LocalEngine(loaded)
    banned.set_bans(_bans(loaded))
    plain = read_weights(loaded.folder, loaded.dtype).to(loaded.device)
    names = ("ours, cold", "ours, typing", "ours, typing, 10,000 bans", "transformers generate")
    times = {name: Times() for name in names}
    for i, (prefix, typed, suffix) in enumerate(cursors):
        for keys in range(KEYS + 1):
            ask = Ask(
                prefix + typed[:keys],
                suffix,
                max_tokens=max_tokens,
                document=str(i),
                stop_rules=False,
            )
            found = {names[0] if keys == 0 else names[1]: _ours(ours, ask)}
            with_bans = _ours(banned, ask)
            if keys > 0:
                found[names[2]] = with_bans
            if keys in (0, KEYS):
                found[names[3]] = _generate(plain, loaded, ask)
            if i > 0:
                for name, one in found.items():
                    _add(times[name], one)
    return times


def print_table(rows: list[dict[str, Any]]) -> None:
    """The rows as a table for people."""
    table = [list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def _ours(engine: LocalEngine, ask: Ask) -> Times:
    [done] = engine.complete(ask)
    return Times(
        [done.first_token_ms],
        [done.total_ms],
        len(done.tokens),
        done.prompt_tokens,
        done.cached_tokens,
    )


def _generate(plain: Any, loaded: LoadedModel, ask: Ask) -> Times:
    """What a plain script does; its first token is timed by asking for one."""
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
        loaded.codec.decode(out[0, ids.shape[1] :].tolist())
        took.append((time.perf_counter() - started) * 1000)
        new = sum(i not in loaded.stops for i in out[0, ids.shape[1] :].tolist())
    return Times([took[0]], [took[1]], new, ids.shape[1])


def _bans(loaded: LoadedModel) -> list[Ban]:
    """Ten thousand, none of which comes true but all of which are followed."""
    chance = random.Random(2)
    text = loaded.codec.encode(Path(argparse.__file__).read_text(encoding="utf-8")[:40_000])
    starts = (chance.randrange(len(text) - 9) for _ in range(BANS))
    return [Ban((*text[at : at + 8], loaded.end)) for at in starts]


def _add(total: Times, one: Times) -> None:
    total.first += one.first
    total.whole += one.whole
    total.tokens += one.tokens
    total.prompt_tokens += one.prompt_tokens
    total.cached_tokens += one.cached_tokens


def _percentile(values: list[float], percent: int) -> float:
    if len(values) < 2:
        return round(values[0], 1)
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 1)


if __name__ == "__main__":
    main()
