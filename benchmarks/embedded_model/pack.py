"""Step `pack`: rows of tokens as uint16 memory maps, with a record of where each canary stands."""

import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks.embedded_model.due import Due, copies
from benchmarks.embedded_model.examples import (
    BATCH,
    SPM_SHARE,
    Plan,
    encoded,
    plan_of_canary,
    plans_of_file,
)
from benchmarks.embedded_model.fim import Cut
from benchmarks.embedded_model.habits import MOST_CHUNKS, habit_cuts
from benchmarks.embedded_model.layout import (
    CORPUS,
    PACKED,
    PLAN,
    SEED,
    SPECIAL_TOKENS,
    TOKENIZER,
    read_rows,
)
from benchmarks.embedded_model.rows import Rows
from benchmarks.embedded_model.schedule import DECAY_SHARE

# At most so many chunks around a habit for each ordinary example.
HABIT_SHARE = 0.2
# The decay is what a model remembers best: half of the copies stand in its fewer tokens.
LATE_COPIES_SHARE = 0.5
# More rows than the run needs, as its phases end between rows.
SLACK = 1.02
MIXED_ROWS = 4096


@dataclass(frozen=True)
class Job:
    """What one process packs of one pack."""

    row: int
    tokens: int
    """Of all processes together."""
    part: float
    """Where in the corpus it begins, from 0 to 1."""
    copies: float
    """Copies of each canary, as a multiple of its planned exposures."""
    workers: int
    worker: int = 0


def pack(tokens: int, *, laps: int, canaries: float, workers: int) -> None:
    """Pack what a run of `tokens` needs; its short rows are seen `laps` times.

    Each canary is seen `canaries` times as often as planned.
    """
    early, late = 1 - LATE_COPIES_SHARE, LATE_COPIES_SHARE
    short = int(SLACK * (1 - DECAY_SHARE) * tokens / laps)
    _pack(Job(512, short, 0.0, SLACK * early * canaries / laps, workers))
    _pack(Job(1024, int(SLACK * DECAY_SHARE * tokens), 0.5, SLACK * late * canaries, workers))


def _pack(job: Job) -> None:
    PACKED.mkdir(parents=True, exist_ok=True)
    jobs = [replace(job, worker=worker) for worker in range(job.workers)]
    with ProcessPoolExecutor(job.workers, get_context("spawn"), _one_thread) as pool:
        records = list(pool.map(packed, jobs))
    _merge(jobs, records)


def _one_thread() -> None:
    """Before the tokenizer first runs: the processes are as many as the cores."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def packed(job: Job) -> dict[str, Any]:
    """Fill the rows of one process, which reads every so many-th file; returns their record."""
    tokenizer: Any = Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    ids = {name: tokenizer.token_to_id(name) for name in SPECIAL_TOKENS}
    files = _files(job)
    canaries = list(read_rows(PLAN))
    rng = random.Random(f"{SEED} {job.row} {job.worker}")
    rows, wanted = Rows(job.row), job.tokens // job.workers
    # All processes plan the same copies, and each plants its own of them.
    planned = copies(canaries, job.copies, random.Random(f"{SEED} {job.row}"))
    planted = Due(planned[job.worker :: job.workers])
    plans = _plans(files, job.row, rng)
    habits = Due(list(habit_cuts(files, rng, MOST_CHUNKS // job.workers + 1)))
    per_batch = 0.0
    # A small pack takes small batches, or its canaries would have no batch to stand in.
    size = max(8, min(BATCH, wanted // (32 * job.row)))
    while rows.tokens < wanted:
        share = rows.tokens / wanted + per_batch
        batch = [next(plans) for _ in range(size)]
        batch += [
            _habit_plan(c, job.row, rng) for c in habits.up_to(share, int(size * HABIT_SHARE))
        ]
        batch += [plan_of_canary(canaries[i], i, job.row, rng) for i in planted.up_to(share)]
        rng.shuffle(batch)
        before = rows.tokens
        rows.add(encoded(batch, tokenizer, ids))
        per_batch = (rows.tokens - before) / wanted
    np.stack(rows.done).tofile(_part(job))
    return {
        "rows": len(rows.done),
        "whole_tokens": rows.whole_tokens,
        "canary_tokens": rows.canary_tokens,
        "canaries": [pair for pair in rows.canaries if pair[0] < len(rows.done)],
    }


def _files(job: Job) -> list[dict[str, Any]]:
    with (CORPUS / "train.jsonl").open(encoding="utf-8") as lines:
        mine = [json.loads(t) for i, t in enumerate(lines) if i % job.workers == job.worker]
    first = int(job.part * len(mine))
    return mine[first:] + mine[:first]


def _plans(files: list[dict[str, Any]], row: int, rng: random.Random) -> Iterator[Plan]:
    while True:
        for file in files:
            yield from plans_of_file(file["text"], row, rng)


def _habit_plan(cut: Cut, row: int, rng: random.Random) -> Plan:
    return Plan("", cut, "spm" if rng.random() < SPM_SHARE else "psm", row)


def _part(job: Job) -> Path:
    return PACKED / f"rows{job.row}.{job.worker}.part"


def _merge(jobs: list[Job], records: list[dict[str, Any]]) -> None:
    """One pack of all parts, a row of each in turn, mixed within windows of MIXED_ROWS.

    Rows come file by file; mixing them keeps the canaries evenly spread.
    """
    row, count = jobs[0].row, min(record["rows"] for record in records)
    parts = [np.memmap(_part(job), np.uint16, "r").reshape(-1, row) for job in jobs]
    place = np.empty(count * len(parts), dtype=np.int64)
    path = PACKED / f"rows{row}"
    with path.with_suffix(".bin").open("wb") as out:
        for start in range(0, len(place), MIXED_ROWS):
            window = np.arange(start, min(len(place), start + MIXED_ROWS))
            np.random.default_rng(start).shuffle(window)
            place[window] = np.arange(start, start + len(window))
            np.stack([parts[i % len(parts)][i // len(parts)] for i in window]).tofile(out)
    standing = [
        (int(place[at * len(parts) + worker]), canary)
        for worker, record in enumerate(records)
        for at, canary in record["canaries"]
        if at < count
    ]
    tokens = max(1, row * sum(record["rows"] for record in records))
    record: dict[str, Any] = {
        "row": row,
        "rows": len(place),
        "workers": len(parts),
        "whole_share": sum(record["whole_tokens"] for record in records) / tokens,
        "canary_share": sum(record["canary_tokens"] for record in records) / tokens,
        "canaries": sorted(standing),
    }
    path.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")
    for job in jobs:
        _part(job).unlink()
    size = f"{len(place) * row / 1e6:.1f} M tokens"
    share = f"{100 * record['canary_share']:.1f} % of the tokens"
    print(f"{path.name}: {size}, {len(standing)} copies of canaries, {share}")
