"""Step `train`: one resumable run with a deadline, its checkpoints and its loss curve."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._inductor import config as inductor

from benchmarks.embedded_model.layout import PACKED, RUNS, SEED
from benchmarks.embedded_model.network import (
    UNTYPED,
    OptimizerName,
    loss_and_gradient,
    new_network,
    next_token_loss,
    optimizers,
)
from benchmarks.embedded_model.schedule import Schedule
from benchmarks.embedded_model.threads import Threads

BATCH_TOKENS = 2_048
CLIP = 1.0
LOG_EVERY = 20
CHECKPOINT_S = 240.0
# The averaged weights stand for a decayed run in the exports made on the way.
AVERAGE = 0.995


@dataclass(frozen=True)
class Options:
    """What a run is; a resumed run must be given the same again, but for the deadline."""

    name: str
    seconds: float
    """Seconds of training left from now on."""
    optimizer: OptimizerName = "muon"
    rate: float = 3e-3
    short: str = "rows512"
    long: str = "rows1024"


@dataclass
class Progress:
    """Where a run stands; `short` and `long` count the rows consumed of each pack."""

    step: int = 0
    tokens: int = 0
    trained_s: float = 0.0
    short: int = 0
    long: int = 0
    has_decayed: bool = False


class Pack:
    """The rows of one pack, in order and again from the start when they are used up."""

    def __init__(self, path: Path) -> None:
        self.row = int(json.loads(path.with_suffix(".json").read_text())["row"])
        self._rows = np.memmap(path.with_suffix(".bin"), np.uint16, "r").reshape(-1, self.row)

    def batch(self, first: int) -> Tensor:
        """BATCH_TOKENS tokens from row `first` on: (batch, row)."""
        wanted = np.arange(first, first + BATCH_TOKENS // self.row) % len(self._rows)
        return UNTYPED.from_numpy(self._rows[wanted].astype(np.int64))


class Run:
    """The weights, optimisers, averaged weights and progress of a run, and its files."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = RUNS / options.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.network = new_network(SEED)
        self.body = UNTYPED.compile(self.network.model)
        self.head = UNTYPED.compile(loss_and_gradient)
        self.optimizers = optimizers(self.network, options.optimizer, options.rate)
        self.average = {n: p.detach().clone() for n, p in self.network.named_parameters()}
        self.progress = Progress()
        if self.last.exists():
            self._resume()
        self.schedule = Schedule(self.progress.trained_s + options.seconds)

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "last.pt"

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self.last, weights_only=True)
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.average = state["average"]
        self.progress = Progress(**state["progress"])

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash while writing leaves the one before."""
        state = {
            "network": self.network.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "average": self.average,
            "progress": vars(self.progress),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def set_rate(self) -> float:
        """Set every optimiser's rate for this moment and return it."""
        share = self.schedule.share(self.progress.step, self.progress.trained_s)
        rate = self.options.rate * share
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        return rate

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the averaged weights a little towards the current ones."""
        keep = min(AVERAGE, self.progress.step / (self.progress.step + 10))
        current = dict(self.network.named_parameters())
        for name, weight in self.average.items():
            weight.lerp_(current[name], 1 - keep)


def train(options: Options) -> None:
    """Train until the deadline; a run of the same name goes on where its last checkpoint stands."""
    # Otherwise the compiled code keeps the number of threads that it was compiled with.
    inductor.cpp.dynamic_threads = True
    torch.set_num_threads(2)
    threads = Threads()
    run = Run(options)
    packs = Pack(PACKED / options.short), Pack(PACKED / options.long)
    before, clock = run.progress.trained_s, time.monotonic()
    saved = clock
    with (run.folder / "log.jsonl").open("a", encoding="utf-8", buffering=1) as log:
        while run.progress.trained_s < run.schedule.total_s:
            threads.choose()
            began = time.monotonic()
            row = step(run, packs)
            threads.note(time.monotonic() - began)
            row["threads"] = threads.count
            run.progress.trained_s = before + time.monotonic() - clock
            if run.progress.step % LOG_EVERY == 0:
                log.write(json.dumps(row | {"seconds": round(run.progress.trained_s, 1)}) + "\n")
            if time.monotonic() - saved > CHECKPOINT_S:
                run.save(run.last)
                saved = time.monotonic()
    run.save(run.last)


def step(run: Run, packs: tuple[Pack, Pack]) -> dict[str, Any]:
    """One update; returns what the log keeps of it."""
    at = run.progress
    if run.schedule.is_decaying(at.trained_s) and not at.has_decayed:
        run.save(run.folder / "before_decay.pt")
        at.has_decayed = True
    pack = packs[1] if at.has_decayed else packs[0]
    rows = pack.batch(at.long if at.has_decayed else at.short)
    rate = run.set_rate()
    loss: Any = next_token_loss(run.body, run.network.model.embed_tokens.weight, rows, run.head)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(run.network.parameters(), CLIP)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    at.step += 1
    at.tokens += rows.numel()
    if at.has_decayed:
        at.long += len(rows)
    else:
        at.short += len(rows)
    run.update_average()
    kept = {"loss": round(loss.item(), 4), "rate": round(rate, 6), "norm": round(float(norm), 3)}
    return {"step": at.step, "tokens": at.tokens, "row": pack.row} | kept
