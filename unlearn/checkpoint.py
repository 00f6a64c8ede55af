"""A training under way, kept on the disk: killed, it goes on where it was instead of anew."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from unlearn.config import RefreshConfig
from unlearn.lora import Student
from unlearn.teacher import Anchor, Lesson

NOT_OF_THE_TRAINING = {
    "max_seconds",
    "held_out",
    "leak_samples",
    "sampled_items",
    "checkpoint_seconds",
}
"""Settings with which the same training may go on."""

pickled: Any = torch  # its load and save do not state their types


class Checkpoint:
    """The file of one training. What another training left in it is never gone on with."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key

    def read(self) -> Mapping[str, Any] | None:
        """The kept state, or None if there is none of this training."""
        try:
            found = pickled.load(self._path, weights_only=True, map_location="cpu")
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            return None  # none, or a damaged one: training anew is always right
        return found["state"] if found["key"] == self._key else None

    def write(self, state: Mapping[str, Any]) -> None:
        """Keep `state` in the place of what was kept before, whole or not at all."""
        partial = self._path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            pickled.save({"key": self._key, "state": dict(state)}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)


def training_key(
    student: Student,
    lessons: Sequence[Lesson],
    retain: Sequence[Anchor],
    config: RefreshConfig,
    base_digest: str,
) -> str:
    """What two trainings share that would go the same way: the base, where the adapter begins,
    every sequence and every setting."""
    digest = hashlib.sha256(base_digest.encode())
    settings = {k: v for k, v in asdict(config).items() if k not in NOT_OF_THE_TRAINING}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for name, weight in student.state().items():
        digest.update(name.encode() + weight.numpy().tobytes())
    for lesson in lessons:
        digest.update(f"{lesson.example.item} {lesson.positions.tolist()}".encode())  # pyright: ignore[reportUnknownMemberType]
        digest.update(lesson.ids.numpy().tobytes() + lesson.forbidden.numpy().tobytes())
    for anchor in retain:
        digest.update(anchor.ids.numpy().tobytes())
    return digest.hexdigest()
