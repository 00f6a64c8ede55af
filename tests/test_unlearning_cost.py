"""The dense port of PROD says the same as our sparse form, and costs what it is said to cost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from unlearn_scene import load_tiny, plain_item

from benchmarks.unlearning.cost import CONFIG, Case, rows_of
from benchmarks.unlearning.dense_prod import dense_batch, dense_loss, dense_prod, nucleus
from unlearn.batch import scored
from unlearn.items import examples
from unlearn.lora import Student
from unlearn.methods import METHODS, Weights
from unlearn.targets import prod_target
from unlearn.teacher import teach


def test_the_dense_target_is_ours() -> None:
    chance = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 40, generator=chance) * 3
    forbidden = torch.zeros(6, 40, dtype=torch.bool)
    forbidden[torch.arange(6), torch.arange(6) * 5] = True

    dense = nucleus(logits.masked_fill(forbidden, -torch.inf), 0.8).softmax(-1)

    torch.testing.assert_close(dense, prod_target(logits, forbidden, 0.8))


def test_only_answers_count() -> None:
    chance = torch.Generator().manual_seed(2)
    logits, reference = (torch.randn(1, 5, 12, generator=chance) for _ in range(2))
    tokens = torch.tensor([[1, 2, 3, 4, 5]])
    answer = torch.tensor([[False, False, False, True, False]])

    loss = dense_prod(logits, reference, tokens, answer, 0.8)

    target = prod_target(reference[0, 2:3], torch.arange(12)[None] == 4, 0.8)
    assert loss.item() == pytest.approx(-(target * logits[0, 2].log_softmax(-1)).sum().item())


def test_both_forms_of_a_loss_are_equal_on_a_model(tiny_model: Path) -> None:
    loaded = load_tiny(tiny_model)
    items = [plain_item(name) for name in ("aws", "shell")]
    student = Student(loaded.model, seed=0, start=None)
    with student.as_base() as base:
        sequences = examples(loaded, items, 512, METHODS["prod"])
        lessons = teach(base, sequences, CONFIG, lambda token: False)

    ours = METHODS["prod"].loss(scored(student, lessons, reads_base=False), None, Weights())
    dense = dense_loss(student, lessons, CONFIG.top_p)
    student.unload()

    # the published form adds 1e-10 to each probability, which a sure model's tail feels
    assert dense.item() == pytest.approx(ours.item(), rel=0.05)
    ids, answer = dense_batch(lessons)
    assert answer.sum() == sum(int(lesson.pushed.sum()) for lesson in lessons)
    assert ids.shape == answer.shape


def test_the_same_updates_cost_less_memory_in_ours(tiny_model: Path) -> None:
    loaded = load_tiny(tiny_model)
    sequences = examples(loaded, [plain_item("read")], 512, METHODS["prod"])

    ours, dense = rows_of(Case("tiny", loaded.model, sequences, batch=4, rounds=1))

    assert ours.loss_peak_bytes < dense.loss_peak_bytes
    assert ours.probability_after == pytest.approx(dense.probability_after, rel=0.02)
    assert ours.updates == dense.updates and ours.items == dense.items == 1
