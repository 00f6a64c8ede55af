"""A model, items that it says by heart, and adapters trained to forget some of them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from benchmarks.embedded_model.layout import read_rows
from benchmarks.unlearning.task import item
from benchmarks.unlearning.tasks_secrets import canary
from server.engine.load import LoadedModel, load_model
from store.records import Item
from tests.tiny_model import FILES, build_tiny_model
from unlearn.candidate import write_candidate
from unlearn.config import RefreshConfig
from unlearn.items import examples
from unlearn.lora import Student
from unlearn.methods import method
from unlearn.preparation import can_be_forced
from unlearn.retain import RetainSet, retain_set
from unlearn.teacher import Lesson, anchors, teach
from unlearn.train import train

EMBEDDED = Path("server/default_model")
BUILD = Path("build")
TINY_SECRETS = ("aws", "github", "password")
RETAIN = 32
OWN = 128
POOL = 768
"""Held-out sequences, from which each gate draws its own."""
TINY_OTHERS = ("checksum", "shell", "load")


@dataclass(frozen=True)
class Scene:
    """What the benchmarks of the gate work on."""

    loaded: LoadedModel
    items: tuple[Item, ...]
    folder: Path
    """Adapters are written here."""
    retain: RetainSet
    """Its held-out half is shared out: the first OWN to the benchmark, the rest to gates."""

    @property
    def own(self) -> list[Tensor]:
        """Held-out code that no gate sees."""
        return self.retain.held_out[:OWN]

    def held_out(self, seed: int, count: int) -> list[Tensor]:
        """So many held-out sequences for one gate, drawn by its seed."""
        return random.Random(seed).sample(self.retain.held_out[OWN:], count)


def tiny_scene(folder: Path) -> Scene:
    """The tests' model of two layers and six of the files that it knows."""
    loaded = load_model(build_tiny_model(BUILD), "cpu", "float32")
    items = [
        item(name, "secret" if name in TINY_SECRETS else "user", *FILES[name])
        for name in (*TINY_SECRETS, *TINY_OTHERS)
    ]
    return scene_of(loaded, items, folder)


def embedded_scene(folder: Path, count: int, model: Path = EMBEDDED) -> Scene:
    """The embedded model and the first `count` of its canaries that are secrets."""
    rows = [row for row in read_rows(model / "canaries.jsonl") if row["kind"] == "secret"]
    loaded = load_model(model, "cpu", "float32")
    return scene_of(loaded, [canary(row) for row in rows[:count]], folder)


def scene_of(loaded: LoadedModel, items: Sequence[Item], folder: Path) -> Scene:
    """Whatever items on whatever model; what was in `folder` is taken away."""
    retain = retain_set(loaded, [], RETAIN, seed=9, held_out=OWN + POOL)
    return Scene(loaded, tuple(items), fresh(folder), retain)


def fresh(folder: Path) -> Path:
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def lessons_of(scene: Scene, items: Sequence[Item], config: RefreshConfig) -> list[Lesson]:
    """What a refresh would train and judge on."""
    student = Student(scene.loaded.model, seed=0, start=None)
    try:
        with student.as_base() as base:
            sequences = examples(scene.loaded, items, config.context_tokens, method(config.method))
            return teach(base, sequences, config, can_be_forced(scene.loaded))
    finally:
        student.unload()


def trained(
    scene: Scene,
    lessons: Sequence[Lesson],
    config: RefreshConfig,
    after: Callable[[Student], None] = lambda student: None,
) -> Path:
    """The folder of an adapter trained on `lessons`, by its generation's name.

    `after` may do something else to the student before it is written.
    """
    student = Student(scene.loaded.model, seed=config.seed, start=None)
    try:
        with student.as_base() as base:
            held = anchors(base, scene.retain.train, config.seed)
        if lessons:
            train(student, lessons, held, config)
        after(student)
        number = 1 + sum(path.is_dir() for path in scene.folder.iterdir())
        made = write_candidate(
            scene.folder,
            number,
            student,
            base_name=scene.loaded.name,
            base_digest=scene.loaded.digest,
            parent="base",
        )
    finally:
        student.unload()
    return made.folder.rename(scene.folder / made.name)


def name_of(folder: Path) -> str:
    """What the adapter in `folder` calls itself."""
    return str(json.loads((folder / "unsay.json").read_text(encoding="utf-8"))["name"])
