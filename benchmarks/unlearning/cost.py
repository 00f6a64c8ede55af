"""What unlearning an item costs: ours against PROD's dense computation, the same update either way.

    python -m benchmarks.unlearning.cost [--quick] [--model FOLDER] [--half-billion]

Processor seconds of one thread, so that a busy machine does not change them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.utils.clip_grad import clip_grad_norm_
from torch.profiler import ProfilerActivity, profile
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.embedded_model.layout import read_rows
from benchmarks.machine import machine
from benchmarks.unlearning.dense_prod import dense_batch, dense_loss, dense_prod
from benchmarks.unlearning.tasks_secrets import canary
from server.engine.load import load_model
from unlearn.batch import scored, standings
from unlearn.config import RefreshConfig
from unlearn.forward import hidden_at, project
from unlearn.items import Example, examples
from unlearn.lora import Student
from unlearn.methods import METHODS, Weights
from unlearn.teacher import Lesson, teach

MODEL = Path("server/default_model")
RESULTS = Path("benchmarks/results/unlearning_cost.json")
CONFIG = RefreshConfig(method="prod")
EPOCHS = 10
RATE = 3e-4


@dataclass(frozen=True)
class Row:
    """One contender on one model."""

    model: str
    contender: str
    items: int
    sequences: int
    tokens: int
    """In all sequences, once."""
    updates: int
    teacher_seconds_per_item: float
    """Once, before the updates."""
    update_seconds_per_item: float
    """For one update on each of its sequences."""
    loss_peak_bytes: int
    """Of the logits, the loss and its gradient on the hidden states, for the largest batch."""
    probability_before: float
    """Mean over the tokens to be forgotten."""
    probability_after: float

    @property
    def seconds_per_item(self) -> float:
        """At the published ten epochs."""
        return self.teacher_seconds_per_item + EPOCHS * self.update_seconds_per_item


@dataclass(frozen=True)
class Case:
    """A model and what it is to forget."""

    name: str
    model: Any
    sequences: Sequence[Example]
    batch: int
    rounds: int
    """Updates on each sequence."""


@dataclass(frozen=True)
class Contender:
    """A way to compute the same loss."""

    name: str
    loss: Callable[[Student, Sequence[Lesson]], Tensor]
    peak: Callable[[Student, Sequence[Lesson]], int]
    """Most bytes alive at once from the hidden states to the gradient on them."""
    uses_teacher: bool


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.unlearning.cost", description=__doc__
    )
    options.add_argument("--model", type=Path, default=MODEL)
    options.add_argument("--items", type=int, default=12)
    options.add_argument("--rounds", type=int, default=5, help="updates on each sequence")
    options.add_argument("--half-billion", action="store_true", help="also a 0.5B shape")
    options.add_argument("--quick", action="store_true", help="two items, one update")
    asked = options.parse_args()
    torch.set_num_threads(1)
    items, rounds = (2, 1) if asked.quick else (asked.items, asked.rounds)
    rows = rows_of(known_by_heart(asked.model, items, rounds))
    if asked.half_billion:
        rows += rows_of(half_billion())
    print_table(rows)
    if not asked.quick:
        found = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def known_by_heart(folder: Path, count: int, rounds: int) -> Case:
    """Canaries of the model in `folder`."""
    loaded = load_model(folder, "cpu", "float32")
    rows = [row for row in read_rows(folder / "canaries.jsonl") if row["kind"] == "secret"]
    items = [canary(row) for row in rows[:count]]
    sequences = examples(loaded, items, CONFIG.context_tokens, METHODS["prod"])
    return Case(folder.name, loaded.model, sequences, batch=8, rounds=rounds)


def half_billion(items: int = 2, prompt: int = 120, target: int = 24) -> Case:
    """Random tokens for a model of random weights in the shape of a common one of 0.5B."""
    config = LlamaConfig(
        vocab_size=151_936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    chance = torch.Generator().manual_seed(0)
    sequences: list[Example] = []
    for i in range(items):
        drawn = torch.randint(0, config.vocab_size, (prompt + target,), generator=chance)
        ids = tuple(int(token) for token in drawn)
        blamed = tuple(range(prompt, prompt + target))
        forbidden = tuple((ids[t],) for t in blamed)
        nothing: tuple[tuple[int, ...], ...] = tuple(() for _ in blamed)
        sequences.append(
            Example(
                f"item {i}",
                "user",
                "left_to_right",
                0,
                ids,
                prompt,
                blamed,
                forbidden=forbidden,
                instead=nothing,
            )
        )
    return Case("a 0.5B shape", model, sequences, batch=items, rounds=1)


def rows_of(case: Case) -> list[Row]:
    """Both contenders, from the same start over the same batches."""
    return [_row(case, contender) for contender in (OURS, DENSE)]


def print_table(rows: Sequence[Row]) -> None:
    for row in rows:
        print(
            f"{row.model:14} {row.contender:6} {row.items:3} items, {row.updates:3} updates  "
            f"{row.update_seconds_per_item:8.3f} s an update and item, "
            f"{row.seconds_per_item:8.2f} s an item in ten epochs, "
            f"loss {row.loss_peak_bytes / 2**20:8.1f} MiB, "
            f"p {row.probability_before:.4f} -> {row.probability_after:.4f}"
        )
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        print(
            f"{one.model}: {other.seconds_per_item / one.seconds_per_item:.1f} times as fast, "
            f"{other.loss_peak_bytes / one.loss_peak_bytes:.1f} times less memory"
        )


def _row(case: Case, contender: Contender) -> Row:
    student = Student(case.model, seed=0, start=None)
    try:
        started = time.process_time()
        with student.as_base() as base:
            lessons = teach(base, case.sequences, CONFIG, lambda token: False)
        taught = time.process_time() - started
        before = _mean_probability(student, lessons)
        batches = _batches(lessons, case.batch)
        spent = _trained(student, batches, case.rounds, contender)
        after = _mean_probability(student, lessons)
        largest = max(batches, key=lambda batch: sum(len(lesson.ids) for lesson in batch))
        peak = contender.peak(student, largest)
    finally:
        student.unload()
    items = len({example.item for example in case.sequences})
    return Row(
        model=case.name,
        contender=contender.name,
        items=items,
        sequences=len(lessons),
        tokens=sum(len(lesson.ids) for lesson in lessons),
        updates=case.rounds * len(batches),
        teacher_seconds_per_item=taught / items if contender.uses_teacher else 0.0,
        update_seconds_per_item=spent / items / case.rounds,
        loss_peak_bytes=peak,
        probability_before=before,
        probability_after=after,
    )


def _trained(
    student: Student, batches: Sequence[Sequence[Lesson]], rounds: int, contender: Contender
) -> float:
    optimiser: Any = torch.optim.AdamW(student.parameters(), lr=RATE, weight_decay=0.0)
    started = time.process_time()
    for _ in range(rounds):
        for batch in batches:
            optimiser.zero_grad()
            torch.autograd.backward(contender.loss(student, batch))
            clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
    return time.process_time() - started


def _batches(lessons: Sequence[Lesson], size: int) -> list[list[Lesson]]:
    ordered = sorted(lessons, key=lambda lesson: len(lesson.ids))
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def _mean_probability(student: Student, lessons: Sequence[Lesson]) -> float:
    return float(torch.cat([now.forbidden for now in standings(student, lessons)]).mean())


def _sparse_loss(student: Student, batch: Sequence[Lesson]) -> Tensor:
    return METHODS["prod"].loss(scored(student, batch, reads_base=False), None, Weights())


def _sparse_peak(student: Student, batch: Sequence[Lesson]) -> int:
    with torch.no_grad():
        items = scored(student, batch, reads_base=False)
        rows, places = [lesson.ids for lesson in batch], [lesson.positions for lesson in batch]
        states = hidden_at(student.model, rows, places)
    hidden = states.requires_grad_()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        again = replace(items, logits=project(student.model, hidden).float())
        torch.autograd.grad(METHODS["prod"].loss(again, None, Weights()), hidden)
    return peak_of(seen)


def _dense_loss(student: Student, batch: Sequence[Lesson]) -> Tensor:
    return dense_loss(student, batch, CONFIG.top_p)


def _dense_peak(student: Student, batch: Sequence[Lesson]) -> int:
    ids, answer = dense_batch(batch)
    decoder: Any = cast(Any, student.model).get_decoder()
    with torch.no_grad():
        states: Tensor = decoder(input_ids=ids, use_cache=False).last_hidden_state
        with student.as_base():
            before: Tensor = decoder(input_ids=ids, use_cache=False).last_hidden_state
    hidden = states.requires_grad_()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        with torch.no_grad():
            reference = project(student.model, before)
        logits = project(student.model, hidden)
        loss = dense_prod(logits, reference, ids, answer, CONFIG.top_p)
        torch.autograd.grad(loss, hidden)
    return peak_of(seen)


def peak_of(seen: Any) -> int:
    """The highest sum of a profile's allocations and releases, in their order."""
    alive = most = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            alive += event.nbytes()
            most = max(most, alive)
    return most


OURS = Contender("ours", _sparse_loss, _sparse_peak, uses_teacher=True)
DENSE = Contender("dense", _dense_loss, _dense_peak, uses_teacher=False)


if __name__ == "__main__":
    main()
