"""The batched continuations say what the model says one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_model import FILES
from torch import Tensor
from unlearn_scene import load_tiny

from benchmarks.unlearning.generate import Branch, continuations, greedy, nucleus, sampled
from server.engine.load import LoadedModel
from unlearn.prompts import prompt_tokens, text_tokens


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> LoadedModel:
    return load_tiny(tiny_model)


def prompts_of(loaded: LoadedModel) -> list[list[int]]:
    return [
        prompt_tokens(loaded, prefix, suffix, "fim", 256) for prefix, _, suffix in FILES.values()
    ]


def one_by_one(loaded: LoadedModel, ids: list[int], limit: int) -> list[int]:
    """The slow, obvious version: the whole row is read again for each token."""
    said: list[int] = []
    while len(said) < limit:
        with torch.no_grad():
            logits: Tensor = loaded.model(input_ids=torch.tensor([[*ids, *said]])).logits
        token = int(logits[0, -1].argmax())
        if token in loaded.stops:
            break
        said.append(token)
    return said


def test_a_batch_says_what_each_prompt_says_alone(loaded: LoadedModel) -> None:
    prompts = prompts_of(loaded)
    limits = [3 + 2 * i for i in range(len(prompts))]

    said = greedy(loaded.model, prompts, limits, loaded.stops)

    assert said == [one_by_one(loaded, p, n) for p, n in zip(prompts, limits, strict=True)]


def test_branches_of_one_row_see_only_what_stands_before_them(loaded: LoadedModel) -> None:
    rows = [
        [*prompt, *text_tokens(loaded, target)[0]]
        for prompt, (_, target, _) in zip(prompts_of(loaded), FILES.values(), strict=True)
    ]
    branches = [Branch(i, at, 9) for i in (0, 3, 1) for at in (5, len(rows[i]) - 4, len(rows[i]))]

    said = continuations(loaded.model, rows, branches, loaded.stops)

    assert said == [one_by_one(loaded, rows[b.row][: b.at], b.limit) for b in branches]


def test_nothing_is_said_at_a_limit_of_none(loaded: LoadedModel) -> None:
    assert greedy(loaded.model, prompts_of(loaded)[:1], [0], loaded.stops) == [[]]


def test_the_same_seed_samples_the_same_and_another_does_not(loaded: LoadedModel) -> None:
    prompts = [loaded.codec.encode("import "), loaded.codec.encode("def ")]

    def draw(seed: int) -> list[list[list[int]]]:
        return sampled(
            loaded.model,
            prompts,
            [8, 8],
            loaded.stops,
            count=4,
            temperature=2.0,
            top_p=0.95,
            seed=seed,
        )

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert [len(texts) for texts in draw(1)] == [4, 4]


def test_the_nucleus_is_the_smallest_set_with_the_mass() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()

    kept = nucleus(logits, 0.7)

    assert torch.allclose(kept, torch.tensor([[0.625, 0.375, 0.0, 0.0]]))
