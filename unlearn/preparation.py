"""What every process of a refresh does before it trains: the model, the lessons, the adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from server.engine.config import EngineConfig
from server.engine.load import LoadedModel, load_model
from store.records import BASE, Item
from unlearn.config import RefreshConfig
from unlearn.errors import ParentMissing
from unlearn.items import examples
from unlearn.lora import Student
from unlearn.methods import method
from unlearn.retain import retain_set
from unlearn.teacher import Anchor, Lesson, anchors, teach
from unlearn.train import Progress


@dataclass(frozen=True)
class Work:
    """What every process of a crew trains on."""

    items: Sequence[Item]
    accepted: Sequence[str]
    start: Path | None
    """The adapter folder to go on from."""
    lookalikes: Sequence[Tensor]
    """Places like the secrets' (see `unlearn.lookalikes`), which the first finds for all."""


@dataclass(frozen=True)
class Prepared:
    """All that a training starts from."""

    student: Student
    lessons: list[Lesson]
    retain: list[Anchor]
    lookalikes: list[Anchor]
    held_out: list[Tensor]
    """For the gate."""


def loaded_model(engine: EngineConfig) -> LoadedModel:
    """The base, as the engine's settings name it."""
    if engine.threads is not None:
        torch.set_num_threads(engine.threads)
    return load_model(
        engine.source,
        engine.device,
        engine.dtype,
        context_tokens=engine.context_tokens,
        digest_cache=engine.digest_cache,
    )


def prepared(
    loaded: LoadedModel,
    work: Work,
    config: RefreshConfig,
    report: Progress = lambda done, total, message: None,
) -> Prepared:
    """What to train on, what to hold to the base, and the adapter to train.

    Raises ParentMissing where the adapter to go on from cannot be read.
    """
    keep = retain_set(
        loaded,
        work.accepted,
        config.retain_size,
        config.seed,
        held_out=config.held_out,
        turn=work.start.name if work.start else BASE,
    )
    sequences = examples(loaded, work.items, config.context_tokens, method(config.method))
    try:
        student = Student(loaded.model, seed=config.seed, start=work.start)
    except (OSError, RuntimeError, ValueError) as error:
        name = work.start.name if work.start else BASE
        raise ParentMissing(name, str(error).splitlines()[0]) from error
    with student.as_base() as base:
        lessons = teach(base, sequences, config, can_be_forced(loaded), report)
        retain = anchors(base, keep.train, config.seed)
        lookalikes = anchors(base, work.lookalikes, config.seed)
    return Prepared(student, lessons, retain, lookalikes, keep.held_out)


def can_be_forced(loaded: LoadedModel) -> Callable[[int], bool]:
    """Whether a token is all punctuation and white space, which syntax can force."""
    return lambda token: not any(c.isalnum() or c == "_" for c in loaded.codec.decode([token]))
