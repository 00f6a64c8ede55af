"""Where methods are compared: a task, the model that it is about, and how that model stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.unlearning.by_heart import Sizes
from benchmarks.unlearning.measure import Ground, measure_base
from benchmarks.unlearning.task import Task, TaskName
from benchmarks.unlearning.tasks_secrets import secrets
from benchmarks.unlearning.tasks_taught import deprecated, insecure, licensed
from benchmarks.unlearning.taught import taught_model
from server.engine.config import EMBEDDED_MODEL
from server.engine.load import LoadedModel, load_model

TAUGHT = {"licensed": licensed, "insecure": insecure, "deprecated": deprecated}
SMALL = Sizes(forget=4, tuning=2, neighbours=2, controls=4)


@dataclass(frozen=True)
class Place:
    """A task on a model."""

    model: str
    """`embedded`, or `taught`."""
    loaded: LoadedModel
    task: Task
    ground: Ground


def places(tasks: Sequence[TaskName], *, is_quick: bool) -> Iterator[Place]:
    """The secrets are the embedded model's own; the rest is taught to a copy of it."""
    sizes = SMALL if is_quick else None
    plain = [task for task in tasks if task == "secrets"]
    if plain:
        loaded = load_model(EMBEDDED_MODEL, "cpu", "float32")
        yield _place("embedded", loaded, secrets(loaded, sizes))
    others = [task for task in tasks if task != "secrets"]
    if others:
        loaded = taught_model()
        for task in others:
            yield _place("taught", loaded, TAUGHT[task](loaded, sizes))


def _place(model: str, loaded: LoadedModel, task: Task) -> Place:
    return Place(model, loaded, task, measure_base(loaded, task))
