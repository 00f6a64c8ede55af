"""Step `train`: one resumable run, on a CPU or a GPU, with its checkpoints and its loss curve."""

import json
import time
from typing import Any

import torch
from torch import Tensor
from torch._inductor import config as inductor

from benchmarks.embedded_model.layout import PACKED
from benchmarks.embedded_model.network import next_token_loss
from benchmarks.embedded_model.run import Options, Pack, Run
from benchmarks.embedded_model.threads import Threads

CLIP = 1.0
LOG_EVERY = 20
CHECKPOINT_S = 240.0


def train(options: Options) -> None:
    """Train to the end or the pause; a run of the same name goes on from its last checkpoint."""
    # Otherwise the compiled code keeps the number of threads that it was compiled with.
    inductor.cpp.dynamic_threads = True
    torch.set_float32_matmul_precision("high")
    threads = Threads() if options.device == "cpu" else None
    run = Run(options)
    packs = Pack(PACKED / options.short), Pack(PACKED / options.long)
    began = saved = time.monotonic()
    before, at = run.progress.trained_s, run.progress
    pause_s = float("inf") if options.pause_s is None else options.pause_s
    with (run.folder / "log.jsonl").open("a", encoding="utf-8", buffering=1) as log:
        while run.way < 1:
            step_began = time.monotonic()
            if threads:
                threads.choose()
            row = step(run, packs)
            if threads:
                threads.note(time.monotonic() - step_began)
            at.trained_s = before + time.monotonic() - began
            if at.step % LOG_EVERY == 0:
                log.write(json.dumps(_said(row) | {"seconds": round(at.trained_s, 1)}) + "\n")
            if time.monotonic() - saved > CHECKPOINT_S:
                run.save(run.last)
                saved = time.monotonic()
            if time.monotonic() - began >= pause_s:
                break
    run.save(run.last)
    print(
        f"{at.tokens / 1e6:.1f} M tokens, step {at.step}, {at.trained_s:.0f} s, way {run.way:.3f}"
    )


def step(run: Run, packs: tuple[Pack, Pack]) -> dict[str, Any]:
    """One update, in as many passes as it takes; returns what the log keeps of it."""
    at = run.progress
    if run.schedule.is_decaying(run.way) and not at.has_decayed:
        run.save(run.folder / "before_decay.pt")
        at.has_decayed = True
    pack = packs[1] if at.has_decayed else packs[0]
    rate = run.set_rate()
    passes = run.pace.step_tokens // run.pace.pass_tokens
    loss = torch.zeros((), device=run.options.device)
    for _ in range(passes):
        loss += _pass(run, pack) / passes
    norm = torch.nn.utils.clip_grad_norm_(run.network.parameters(), CLIP)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    at.step += 1
    run.update_average()
    return {
        "step": at.step,
        "tokens": at.tokens,
        "row": pack.row,
        "loss": loss,
        "rate": round(rate, 6),
        "norm": norm,
    }


def _pass(run: Run, pack: Pack) -> Tensor:
    """Add the gradients of the next rows, and count them as consumed."""
    at = run.progress
    rows = pack.batch(
        at.long if at.has_decayed else at.short, run.pace.pass_tokens, run.options.device
    )
    table = run.network.model.embed_tokens.weight
    loss: Any = next_token_loss(run.body, table, rows, run.head, run.pace.head_tokens)
    (loss * (run.pace.pass_tokens / run.pace.step_tokens)).backward()
    at.tokens += rows.numel()
    if at.has_decayed:
        at.long += len(rows)
    else:
        at.short += len(rows)
    return loss.detach()


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """The row with numbers for tensors: only here does the CPU wait for a GPU."""
    return {k: round(float(v), 4) if isinstance(v, Tensor) else v for k, v in row.items()}
