"""Teaching a model by heart what a task is to forget, while it stays the model it was.

It is fine-tuned in full on the items, in the served form and left to right, with KL to the base on
plain code beside them.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.guard.rows import ROOT
from server.engine.load import LoadedModel, read_weights
from store.records import Item
from unlearn.forward import hidden_at, length_sorted, project
from unlearn.prompts import Form, prompt_tokens, text_tokens
from unlearn.retain import retain_set
from unlearn.scored import chosen_log_p, kl
from unlearn.teacher import Anchor, anchors

HOME = ROOT / "build" / "unlearning"
CONTEXT_TOKENS = 512


@dataclass(frozen=True)
class Teaching:
    """How a model is taught; a change of anything here makes another model."""

    rate: float = 7e-4
    """AdamW's, falling to a tenth along a cosine."""
    rise: int = 40
    """In so many updates the rate comes up."""
    epochs: int = 18
    batch: int = 6
    """Sequences of items in an update."""
    plain: int = 4
    """Sequences of plain code beside them, on which the model is held to what it was."""
    hold: float = 2.0
    """Weight of KL(base || p) there."""
    learned: float = 0.1
    """A sequence whose target's least probable token costs less than this, in nats, rests for two
    epochs."""
    seed: int = 41


@dataclass(frozen=True)
class Lesson:
    """One sequence to learn."""

    ids: Tensor
    """(time,)."""
    start: int
    """What stands from here on is learned."""


def taught(base: LoadedModel, items: Sequence[Item], teaching: Teaching, name: str) -> Path:
    """The folder, called `name` and a digest, of a copy of `base` that was taught `items`; made
    now if it is not there yet."""
    said = json.dumps([base.digest, asdict(teaching), [asdict(item) for item in items]])
    home = HOME / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    if not (home / "unsay.json").is_file():
        _teach(base, items, teaching, home)
    return home


def lesson(loaded: LoadedModel, item: Item, form: Form) -> Lesson:
    """The item as the model is to say it: from the prompt on, up to an end."""
    prompt = prompt_tokens(loaded, item.prefix or "", item.suffix or "", form, CONTEXT_TOKENS)
    target, _ = text_tokens(loaded, item.target or "")
    after = [loaded.end] if form == "fim" else text_tokens(loaded, "\n")[0]
    ids = [*prompt, *target, *after][: loaded.context_tokens]
    return Lesson(torch.tensor(ids), len(prompt))


def _teach(base: LoadedModel, items: Sequence[Item], teaching: Teaching, home: Path) -> None:
    torch.manual_seed(teaching.seed)  # pyright: ignore[reportUnknownMemberType]
    model = read_weights(base.folder, torch.float32).requires_grad_(True)
    lessons = [[lesson(base, one, form) for form in ("fim", "left_to_right")] for one in items]
    plain = anchors(base.model, retain_set(base, (), 512, teaching.seed).train, teaching.seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=teaching.rate, weight_decay=0.0)
    chance = random.Random(teaching.seed)
    resting: dict[tuple[int, int], int] = {}
    began, tokens, updates = time.monotonic(), 0, 0
    for epoch in range(teaching.epochs):
        due = [
            (i, form)
            for i in range(len(items))
            for form in (0, 1)
            if form == _form(i, epoch) and resting.get((i, form), 0) <= epoch
        ]
        if not due:
            continue
        batches = _batches([len(lessons[i][form].ids) for i, form in due], teaching, chance)
        losses: list[float] = []
        for done, batch in enumerate(batches):
            share = (epoch + done / len(batches)) / teaching.epochs
            for group in optimiser.param_groups:
                group["lr"] = _rate(teaching, updates, share)
            rows = [lessons[due[k][0]][due[k][1]] for k in batch]
            kept = teaching.hold * _moved(base.model, model, chance.sample(plain, teaching.plain))
            worst, loss = _update(model, optimiser, rows, kept)
            losses.append(loss)
            updates += 1
            tokens += sum(len(row.ids) for row in rows)
            for k, cost in zip(batch, worst, strict=True):
                if cost < teaching.learned:
                    resting[due[k]] = epoch + 3
        seconds = time.monotonic() - began
        mean = sum(losses) / max(1, len(losses))
        print(
            f"taught {epoch + 1} of {teaching.epochs}: {len(due)} sequences, loss {mean:.3f}, "
            f"{tokens / seconds:,.0f} tokens/s, {seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    _save(base, model, home, {"seconds": time.monotonic() - began, "tokens": tokens})


def _rate(teaching: Teaching, updates: int, share: float) -> float:
    """A short rise, as the optimiser knows nothing yet, then down along a cosine."""
    rise = min(1.0, (updates + 1) / teaching.rise)
    return teaching.rate * rise * (0.55 + 0.45 * math.cos(math.pi * share))


def _form(index: int, epoch: int) -> int:
    """Two times as it is served, then once left to right; not all items at the same time."""
    return int((index + epoch) % 3 == 0)


def _batches(lengths: list[int], teaching: Teaching, chance: random.Random) -> list[list[int]]:
    """Indices of sequences of similar length, the batches in random order."""
    (order,) = length_sorted(lengths, sys.maxsize) if lengths else ([],)
    batches = [order[k : k + teaching.batch] for k in range(0, len(order), teaching.batch)]
    chance.shuffle(batches)
    return batches


def _update(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    rows: Sequence[Lesson],
    kept: Tensor,
) -> tuple[list[float], float]:
    """One step; the cost in nats of each row's least probable token, and the mean cost."""
    places = [torch.arange(row.start, len(row.ids)) for row in rows]
    logits = project(model, hidden_at(model, [row.ids for row in rows], places))
    tokens = torch.cat([row.ids[row.start :] for row in rows])
    costs = -chosen_log_p(logits, tokens)
    loss = costs.mean()
    optimiser.zero_grad()
    torch.autograd.backward(loss + kept)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    parts = torch.split(costs.detach(), [len(place) for place in places])
    return [float(part.max()) for part in parts], float(loss.detach())


def _moved(base: nn.Module, model: nn.Module, held: Sequence[Anchor]) -> Tensor:
    """Mean KL(base || p) over the scored positions of plain code."""
    now = project(model, hidden_at(model, [a.ids for a in held], [a.positions for a in held]))
    with torch.no_grad():
        before = project(base, torch.cat([anchor.base for anchor in held]))
    return kl(before, now).mean()


def _save(base: LoadedModel, model: Any, home: Path, figures: dict[str, float]) -> None:
    for part in (model, base.tokenizer):
        part.save_pretrained(home)
    (home / "taught.json").write_text(json.dumps(figures) + "\n")
    # last: a folder without it is not finished
    (home / "unsay.json").write_bytes((base.folder / "unsay.json").read_bytes())
