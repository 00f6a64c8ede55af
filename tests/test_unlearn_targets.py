"""PROD's target against a slow obvious version, and at its edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from unlearn_scene import as_list

from unlearn.targets import nucleus, one_hot, prod_target, remaining_mass, sparse


def slow_target(logits: list[float], forbidden: set[int], top_p: float) -> list[float]:
    """The three steps as one would do them by hand."""
    weights = [0.0 if i in forbidden else math.exp(z - max(logits)) for i, z in enumerate(logits)]
    p = [w / sum(weights) for w in weights]
    kept, mass = set[int](), 0.0
    for i in sorted(range(len(p)), key=lambda i: -p[i]):
        if mass >= top_p:
            break
        kept.add(i)
        mass += p[i]
    return [p[i] / mass if i in kept else 0.0 for i in range(len(p))]


def mask(*rows: set[int], vocabulary: int) -> Tensor:
    return one_hot([tuple(row) for row in rows], vocabulary)


@pytest.mark.parametrize("top_p", [0.2, 0.5, 0.8, 0.95, 1.0])
def test_prod_target_equals_the_slow_version(top_p: float) -> None:
    logits = torch.randn(5, 23, generator=torch.Generator().manual_seed(3)) * 3
    forbidden = [{4}, {0, 1}, {22}, {int(logits[3].argmax())}, set(range(20))]

    target = prod_target(logits, mask(*forbidden, vocabulary=23), top_p)

    expected = [slow_target(as_list(logits[i]), forbidden[i], top_p) for i in range(5)]
    assert torch.allclose(target, torch.tensor(expected), atol=1e-6)


def test_prod_target_gives_no_forbidden_token_any_mass() -> None:
    logits = torch.tensor([[5.0, 1.0, 0.5, 0.0]])

    target = prod_target(logits, mask({0, 2}, vocabulary=4), 1.0)

    assert target[0, 0] == 0 and target[0, 2] == 0
    assert target.sum().item() == pytest.approx(1.0)


def test_a_base_that_is_certain_still_gives_a_target() -> None:
    logits = torch.tensor([[0.0, -torch.inf, -torch.inf], [90.0, 1.0, -2.0]])

    target = prod_target(logits, mask({0}, {0}, vocabulary=3), 1.0)

    assert as_list(target[0]) == pytest.approx([0, 0.5, 0.5])
    assert as_list(target[1]) == pytest.approx(slow_target([90.0, 1.0, -2.0], {0}, 1.0))


def test_a_token_of_probability_zero_leaves_the_distribution_as_it_was() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -torch.inf]])

    target = prod_target(logits, mask({3}, vocabulary=4), 1.0)

    assert torch.allclose(target, logits.softmax(-1))


def test_half_precision_logits_are_worked_on_in_float32() -> None:
    logits = torch.tensor([[20.0, 3.0, 2.5, 2.0]], dtype=torch.bfloat16)

    target = prod_target(logits, mask({0}, vocabulary=4), 1.0)

    assert target.dtype == torch.float32
    assert as_list(target[0]) == pytest.approx(slow_target([20.0, 3.0, 2.5, 2.0], {0}, 1.0))


def test_where_no_mass_is_left_the_replacement_is_the_target() -> None:
    logits = torch.tensor([[30.0, 1.0, 0.0, -1.0]] * 2)
    wanted = mask({3}, set(), vocabulary=4)

    target = prod_target(logits, mask({0}, {0}, vocabulary=4), 1.0, wanted=wanted, scarce=0.001)

    assert as_list(target[0]) == [0, 0, 0, 1]
    assert as_list(target[1]) == pytest.approx(slow_target([30.0, 1.0, 0.0, -1.0], {0}, 1.0))


def test_where_no_mass_is_left_and_nothing_replaces_it_the_tail_is_tempered() -> None:
    logits = torch.tensor([[30.0, 2.0, 0.0, -2.0]])

    target = prod_target(logits, mask({0}, vocabulary=4), 1.0, scarce=0.001, temperature=2.0)

    assert as_list(target[0]) == pytest.approx(slow_target([30.0, 1.0, 0.0, -1.0], {0}, 1.0))


def test_a_wanted_token_that_is_forbidden_is_not_wanted() -> None:
    logits = torch.tensor([[30.0, 1.0, 0.0]])

    target = prod_target(
        logits, mask({0, 1}, vocabulary=3), wanted=mask({1}, vocabulary=3), scarce=0.5
    )

    assert as_list(target[0]) == [0, 0, 1]


def test_remaining_mass_is_exact_near_zero() -> None:
    logits = torch.tensor([[18.0, 0.0, 0.0]])

    left = remaining_mass(logits, mask({0}, vocabulary=3))

    assert left.item() == pytest.approx(2 / (math.exp(18) + 2), rel=1e-4)


def test_a_nucleus_always_keeps_the_most_probable_token() -> None:
    p = torch.tensor([[0.9, 0.1], [0.5, 0.5]])

    assert as_list(nucleus(p, 0.01)) == [[1, 0], [1, 0]]


def test_a_sparse_target_holds_the_same_mass() -> None:
    target = torch.tensor([[0.0, 0.75, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0]])

    found = sparse(target)

    assert as_list(found.ids[0]) == [1, 2] and found.ids[1, 0] == 0
    assert as_list(found.mass) == [[0.75, 0.25], [1.0, 0.0]]


def test_no_position_gives_an_empty_sparse_target() -> None:
    found = sparse(prod_target(torch.zeros(0, 7), torch.zeros(0, 7, dtype=torch.bool)))

    assert found.ids.shape == (0, 1) and found.mass.shape == (0, 1)
