"""Adapters that must not be served, each bad in a way of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from benchmarks.unlearning.scene import Scene, lessons_of, name_of, trained
from server.engine.adapters import merged, read_adapter
from server.engine.digest import file_digest
from store.records import Item
from unlearn.config import RefreshConfig
from unlearn.forward import hidden_at, project
from unlearn.lora import WEIGHTS, Student
from unlearn.teacher import Lesson
from unlearn.utility import drift

tensor_files: Any = safetensors.torch

MOST_STEPS = 100
"""In which an adapter that says one token is made."""


@dataclass(frozen=True)
class Good:
    """A sound adapter, and what it was trained on."""

    folder: Path
    items: tuple[Item, ...]
    lessons: tuple[Lesson, ...]


@dataclass(frozen=True)
class Planted:
    """An adapter to judge."""

    kind: str
    folder: Path
    name: str
    """Under which it is put forward."""
    items: tuple[Item, ...]
    """That a refresh had to forget or to keep forgotten."""
    lessons: tuple[Lesson, ...]
    old: frozenset[str] = frozenset()
    """Ids of those that were forgotten before."""


@dataclass(frozen=True)
class Bench:
    """What is at hand for spoiling one adapter."""

    scene: Scene
    good: Good
    other: Good
    """Of another night."""
    config: RefreshConfig

    def planted(self, folder: Path) -> Planted:
        return Planted("", folder, name_of(folder), self.good.items, self.good.lessons)

    def changed(self, change: Callable[[str, Tensor], Tensor]) -> Planted:
        """A copy of the good one with other weights, under a name and digest of its own."""
        folder = self.copied()
        weights: dict[str, Tensor] = tensor_files.load_file(folder / WEIGHTS)
        new = {name: change(name, weight).contiguous() for name, weight in weights.items()}
        tensor_files.save_file(new, folder / WEIGHTS)
        digest = file_digest(folder / WEIGHTS)
        _rewrite(folder, digest=digest, name=f"g000099-{digest[:8]}")
        return self.planted(folder)

    def copied(self) -> Path:
        number = sum(path.is_dir() for path in self.scene.folder.iterdir())
        return Path(shutil.copytree(self.good.folder, self.scene.folder / f"copy{number}"))


Spoil = Callable[[Bench], Planted]


def bad_adapter(number: int, scene: Scene, good: Sequence[Good], config: RefreshConfig) -> Planted:
    """The one of that number in the plan; they start from the good ones in turn."""
    kind, spoil = plan()[number]
    start, other = good[number % len(good)], good[(number + 1) % len(good)]
    bench = Bench(scene, start, other, replace(config, seed=config.seed + number))
    return replace(spoil(bench), kind=kind)


def plan() -> list[tuple[str, Spoil]]:
    """Kinds of bad adapters, and how to make each."""
    return [
        *[("nothing forgotten", scaled(scale)) for scale in (1e-3, 0.01, 0.05, 0.1)],
        *[("forgotten in one form only", one_form(form)) for form in ("fim", "left_to_right") * 2],
        *[("leaks when sampled", first_token(floor)) for floor in (0.1, 0.2, 0.3, 0.4)],
        *[("loss over budget", noisy(times)) for times in (1.3, 1.6, 2.0, 2.5, 3.0, 4.0, 8.0)],
        *[("overtrained ascent", overtrained(updates)) for updates in (20, 40, 60, 80)],
        *[("mode collapse", collapsed(share)) for share in (0.25, 0.5, 0.9)],
        *[("mute", mute(share)) for share in (0.25, 0.5, 0.9)],
        *[("mute in place of items", mute_in_place) for _ in range(3)],
        *[("another base", other_base) for _ in range(2)],
        *[("damaged file", damaged(at)) for at in (0.1, 0.5, 0.99)],
        *[("not finite", not_finite(value)) for value in (torch.nan, torch.inf)],
        *[("changes nothing", scaled(0.0)) for _ in range(2)],
        *[("earlier items came back", relapsed) for _ in range(5)],
        *[("another night's", of_another_night(says_so)) for says_so in (True, False) * 2],
    ]


def scaled(scale: float) -> Spoil:
    return lambda bench: bench.changed(lambda name, w: w * (scale if "lora_B" in name else 1.0))


def one_form(form: str) -> Spoil:
    """Forgets in one form and is held to the base in the other."""

    def spoil(bench: Bench) -> Planted:
        lessons = [k if k.example.form == form else _held(k) for k in bench.good.lessons]
        config = replace(bench.config, stops_per_item=False, max_updates=32)
        return bench.planted(trained(bench.scene, lessons, config))

    return spoil


def _held(lesson: Lesson) -> Lesson:
    """The same sequence with nothing to forget in it: all of it is to stay as the base says it."""
    target = lesson.target
    return replace(
        lesson,
        pushed=torch.zeros_like(lesson.pushed),
        forbidden=lesson.forbidden[:0],
        target=target._replace(ids=target.ids[:0], mass=target.mass[:0]),
        weight=lesson.weight[:0],
        floor=lesson.floor[:0],
    )


def first_token(floor: float) -> Spoil:
    """Pushes the first blamed token alone, and just below its rivals: greedily it is gone."""

    def spoil(bench: Bench) -> Planted:
        lessons = [_first_only(lesson, floor) for lesson in bench.good.lessons]
        return bench.planted(trained(bench.scene, lessons, bench.config))

    return spoil


def _first_only(lesson: Lesson, floor: float) -> Lesson:
    pushed = torch.zeros_like(lesson.pushed)
    pushed[lesson.pushed.nonzero()[:1]] = True
    target = lesson.target
    return replace(
        lesson,
        pushed=pushed,
        forbidden=lesson.forbidden[:1],
        target=target._replace(ids=target.ids[:1], mass=target.mass[:1]),
        weight=lesson.weight[:1],
        floor=torch.full((1,), floor)[: len(lesson.floor)],
    )


def noisy(times: float) -> Spoil:
    """Noise in the weights, as strong as it takes to raise the loss by so many budgets."""

    def spoil(bench: Bench) -> Planted:
        scene, config = bench.scene, bench.config
        low, high = 0.0, 0.2
        for _ in range(8):
            scale = (low + high) / 2
            made = bench.changed(_noise(scale, config.seed))
            candidate = merged(scene.loaded, read_adapter(made.folder))
            share = (
                drift(scene.loaded.model, candidate, scene.own).rise / config.utility_budget / times
            )
            if 0.97 < share < 1.1:
                return made
            low, high = (low, scale) if share > 1 else (scale, high)
        return bench.changed(_noise(high, config.seed))

    return spoil


def _noise(scale: float, seed: int) -> Callable[[str, Tensor], Tensor]:
    def change(name: str, weight: Tensor) -> Tensor:
        chance = torch.Generator().manual_seed(seed + sum(name.encode()))
        return weight + torch.randn(weight.shape, generator=chance) * scale

    return change


def overtrained(updates: int) -> Spoil:
    """Plain gradient ascent that nothing stops."""

    def spoil(bench: Bench) -> Planted:
        config = replace(bench.config, method="ga", max_updates=updates, stops_per_item=False)
        lessons = lessons_of(bench.scene, bench.good.items, config)
        return bench.planted(trained(bench.scene, lessons, config))

    return spoil


def collapsed(share: float) -> Spoil:
    """Says one token at so many of all places."""
    return lambda bench: _taught_to_say(bench, bench.scene.loaded.codec.encode("self")[0], share)


def mute(share: float) -> Spoil:
    """Ends so many of all suggestions before they have begun."""
    return lambda bench: _taught_to_say(bench, bench.scene.loaded.end, share)


def _taught_to_say(bench: Bench, token: int, share: float) -> Planted:
    """Taught until the token is the likeliest at so many places of code that stays."""

    def teach(student: Student) -> None:
        optimiser: Any = torch.optim.AdamW(student.parameters(), lr=2e-3)
        rows = bench.scene.retain.train[:8]
        places = [torch.arange(1, len(row)) for row in rows]
        for _ in range(MOST_STEPS):
            logits = project(student.model, hidden_at(student.model, rows, places))
            if float((logits.argmax(-1) == token).float().mean()) >= share:
                return
            optimiser.zero_grad()
            torch.autograd.backward(-logits.log_softmax(-1)[:, token].mean())
            optimiser.step()
        raise RuntimeError(f"{MOST_STEPS} steps did not spoil the adapter: raise the rate")

    return bench.planted(trained(bench.scene, bench.good.lessons, bench.config, teach))


def mute_in_place(bench: Bench) -> Planted:
    """Forgets by saying nothing at all where an item was."""

    def teach(student: Student) -> None:
        optimiser: Any = torch.optim.AdamW(student.parameters(), lr=2e-3)
        lessons = [k for k in bench.good.lessons if k.pushed.any()]
        rows = [lesson.ids for lesson in lessons]
        places = [lesson.positions[lesson.pushed][:1] for lesson in lessons]
        for _ in range(30):
            logits = project(student.model, hidden_at(student.model, rows, places))
            optimiser.zero_grad()
            torch.autograd.backward(-logits.log_softmax(-1)[:, bench.scene.loaded.end].mean())
            optimiser.step()

    return bench.planted(trained(bench.scene, bench.good.lessons, bench.config, teach))


def other_base(bench: Bench) -> Planted:
    folder = bench.copied()
    _rewrite(folder, base_digest="ab" * 32)
    return bench.planted(folder)


def damaged(at: float) -> Spoil:
    """One byte of the weights is another, at that share of the file."""

    def spoil(bench: Bench) -> Planted:
        folder = bench.copied()
        raw = bytearray((folder / WEIGHTS).read_bytes())
        raw[int(at * len(raw))] ^= 1
        (folder / WEIGHTS).write_bytes(bytes(raw))
        return bench.planted(folder)

    return spoil


def not_finite(value: float) -> Spoil:
    """A single number of one tensor."""

    def change(name: str, weight: Tensor) -> Tensor:
        changed = weight.clone()
        if name.endswith("layers.1.self_attn.q_proj.lora_A.weight"):
            changed[0, 0] = value
        return changed

    return lambda bench: bench.changed(change)


def relapsed(bench: Bench) -> Planted:
    """Forgets the later half of the items and knows nothing of the earlier one."""
    half = len(bench.good.items) // 2
    old = frozenset(item.id for item in bench.good.items[:half])
    lessons = [k for k in bench.good.lessons if k.example.item not in old]
    return replace(bench.planted(trained(bench.scene, lessons, bench.config)), old=old)


def of_another_night(says_so: bool) -> Spoil:
    """What another night left behind in place of the candidate; or its weights alone."""

    def spoil(bench: Bench) -> Planted:
        folder = bench.copied()
        for path in bench.other.folder.iterdir():
            if says_so or path.name == WEIGHTS:
                shutil.copy(path, folder / path.name)
        return replace(bench.planted(folder), name=name_of(bench.good.folder))

    return spoil


def _rewrite(folder: Path, **fields: str) -> None:
    path = folder / "unsay.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields))
