"""The directions in which a new adapter acts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from unlearn_scene import load_tiny, plain_item

from server.engine.load import LoadedModel
from unlearn.config import RefreshConfig
from unlearn.directions import RIDGE, aim, directions
from unlearn.items import examples
from unlearn.lora import RANK, Student
from unlearn.retain import retain_set
from unlearn.teacher import anchors, teach
from unlearn.train import train

FEW = RefreshConfig(max_updates=3, retain_size=4, retain_examples=2)


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> LoadedModel:
    return load_tiny(tiny_model)


def test_a_direction_that_only_the_forgotten_uses_comes_first() -> None:
    chance = torch.Generator().manual_seed(3)
    kept = torch.randn(200, 8, generator=chance)
    kept[:, 5] = 0
    forget = torch.randn(20, 8, generator=chance)

    (first,) = directions(forget, kept, 1)

    assert int(first.abs().argmax()) == 5
    assert (kept @ first).abs().max() < 0.1 * (forget @ first).abs().mean()


def test_the_directions_are_the_generalised_eigenvectors() -> None:
    chance = torch.Generator().manual_seed(4)
    kept, forget = torch.randn(50, 6, generator=chance), torch.randn(9, 6, generator=chance)

    found = directions(forget, kept, 3)

    moment = kept.T @ kept / len(kept)
    moment += RIDGE * moment.diagonal().mean() * torch.eye(6)
    for row in found:
        image, kept_image = forget.T @ (forget @ row), moment @ row
        value = (image * kept_image).sum() / kept_image.square().sum()
        assert torch.allclose(image, value * kept_image, atol=1e-3 * float(image.abs().max()))


def test_a_row_says_as_much_at_the_forgotten_as_one_drawn_by_chance() -> None:
    chance = torch.Generator().manual_seed(5)
    forget = torch.randn(400, 64, generator=chance)

    found = directions(forget, torch.randn(400, 64, generator=chance), RANK)

    drawn = (torch.rand(RANK, 64, generator=chance) * 2 - 1) / 8
    ours, theirs = (forget @ found.T).square().mean(), (forget @ drawn.T).square().mean()
    assert float(ours) == pytest.approx(float(theirs), rel=0.3)


def test_fewer_positions_than_rank_give_fewer_directions() -> None:
    found = directions(torch.randn(2, 6), torch.randn(30, 6), 4)

    assert len(found) == 2 and bool(found.isfinite().all())


def test_an_adapter_begins_where_it_is_aimed_and_training_turns_it(loaded: LoadedModel) -> None:
    student = Student(loaded.model, seed=0, start=None)
    found = examples(loaded, [plain_item("aws")], 512)
    with student.as_base() as base:
        lessons = teach(base, found, FEW, lambda token: False)
        held = anchors(base, retain_set(loaded, [], 4, 0).train, 0)
    drawn = student.state()
    aim(student, lessons, held)
    aimed = student.state()

    train(student, lessons, held, replace(FEW, max_updates=2))  # in the first, B is still zero
    trained = student.state()
    student.unload()

    steps = FEW.learning_rate * (1 + 2) / (FEW.warmup_updates + 1)
    for name in (name for name in drawn if "lora_A" in name):
        assert not torch.equal(drawn[name], aimed[name])
        assert 0 < float((trained[name] - aimed[name]).abs().max()) <= steps * 1.01


def test_an_adapter_that_goes_on_is_not_aimed_anew(loaded: LoadedModel, tmp_path: Path) -> None:
    first = Student(loaded.model, seed=0, start=None)
    first.save(tmp_path, "tiny")
    began = first.state()
    first.unload()
    second = Student(loaded.model, seed=0, start=tmp_path)
    found = examples(loaded, [plain_item("aws")], 512)
    with second.as_base() as base:
        lessons = teach(base, found, FEW, lambda token: False)
        held = anchors(base, retain_set(loaded, [], 4, 0).train, 0)

    train(second, lessons, held, replace(FEW, max_updates=1))

    trained = second.state()
    second.unload()
    step = FEW.learning_rate / (FEW.warmup_updates + 1)
    assert all(float((trained[n] - began[n]).abs().max()) <= step * 1.01 for n in began)
