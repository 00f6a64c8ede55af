"""What a training run holds in memory and in its folder: weights, optimisers, progress."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.embedded_model.layout import RUNS, SEED
from benchmarks.embedded_model.network import (
    UNTYPED,
    OptimizerName,
    loss_and_gradient,
    new_network,
    optimizers,
)
from benchmarks.embedded_model.schedule import Schedule
from benchmarks.embedded_model.sizes import DeviceName, SizeName, pace

# The averaged weights stand for a decayed run in the exports made on the way.
AVERAGE = 0.995


@dataclass(frozen=True)
class Options:
    """What a run is; a resumed run must be given the same again, but for the deadline."""

    name: str
    size: SizeName = "small"
    device: DeviceName = "cpu"
    seconds: float | None = None
    """Seconds of training left from now on, at whose end the rate has decayed."""
    tokens: int | None = None
    """Tokens of the whole run."""
    pause_s: float | None = None
    """Stop after this many seconds and at least a step, to go on later as if nothing had been."""
    optimizer: OptimizerName = "muon"
    rate: float = 3e-3
    step_tokens: int | None = None
    """Tokens of an update; None is what suits the device."""
    is_compiled: bool = True
    """False for a few steps, where compiling takes longer than it saves."""
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

    def batch(self, first: int, tokens: int, device: DeviceName) -> Tensor:
        """`tokens` tokens from row `first` on: (batch, row)."""
        wanted = np.arange(first, first + tokens // self.row) % len(self._rows)
        # Two bytes a token travel, through memory that the GPU reads while the CPU goes on.
        rows: Tensor = UNTYPED.from_numpy(self._rows[wanted].view(np.int16))
        if device == "cuda":
            rows = rows.pin_memory().to(device, non_blocking=True)
        return rows.long()


class Run:
    """The weights, optimisers, averaged weights and progress of a run, and its files."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.pace = pace(options.device, options.step_tokens)
        self.folder = RUNS / options.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.network = new_network(SEED, options.size).to(options.device)
        self.body, self.head = self.network.model, loss_and_gradient
        if options.is_compiled:
            # Two row lengths are two programs: one for any length is slower.
            self.body = UNTYPED.compile(self.body, dynamic=False)
            self.head = UNTYPED.compile(self.head, dynamic=False)
        self.optimizers = optimizers(self.network, options.optimizer, options.rate)
        self.average = {n: p.detach().clone() for n, p in self.network.named_parameters()}
        self.progress = Progress()
        if self.last.exists():
            self._resume()
        seconds = options.seconds and self.progress.trained_s + options.seconds
        self.schedule = Schedule(seconds, options.tokens)

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "last.pt"

    @property
    def way(self) -> float:
        """The share of the run that lies behind."""
        return self.schedule.way(self.progress.trained_s, self.progress.tokens)

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(
            self.last, weights_only=True, map_location=self.options.device
        )
        if state["size"] != self.options.size:
            raise ValueError(
                f"run {self.options.name} is of size {state['size']}; give --size or another --run"
            )
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.average = state["average"]
        self.progress = Progress(**state["progress"])

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash while writing leaves the one before."""
        state = {
            "size": self.options.size,
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
        rate = self.options.rate * self.schedule.share(self.progress.step, self.way)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        return rate

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the averaged weights a little towards the current ones."""
        keep = min(AVERAGE, self.progress.step / (self.progress.step + 10))
        current = dict(self.network.named_parameters())
        moved, towards = list(self.average.values()), [current[name] for name in self.average]
        UNTYPED._foreach_lerp_(moved, towards, 1 - keep)
