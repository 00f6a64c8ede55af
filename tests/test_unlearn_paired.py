"""The gate's arithmetic: what a paired test may say, and how often it is wrong."""

from __future__ import annotations

import copy
import math
import random
import statistics

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from unlearn.paired import (
    ERROR,
    Rise,
    SignTest,
    error_of_night,
    relative_rise,
    sign_test,
    student_quantile,
)
from unlearn.utility import compared, settled_drift


def drawn(rise: float, pairs: int, chance: random.Random, noise: float = 0.02) -> Rise:
    """A sample of sequences whose loss truly rises by `rise`."""
    before = [chance.uniform(50, 250) for _ in range(pairs)]
    after = [b * (1 + rise + chance.gauss(0, noise)) for b in before]
    return relative_rise(before, after)


def test_a_rise_is_that_of_the_sums() -> None:
    found = relative_rise([1.0, 3.0], [1.1, 3.3])

    assert found.estimate == pytest.approx(0.1)
    assert found.error == pytest.approx(0.0, abs=1e-12)


def test_the_standard_error_is_the_spread_of_repeated_samples() -> None:
    chance = random.Random(1)
    samples = [drawn(0.01, 64, chance) for _ in range(400)]

    spread = statistics.stdev(sample.estimate for sample in samples)

    assert statistics.mean(sample.error for sample in samples) == pytest.approx(spread, rel=0.1)


def test_the_detectable_rise_is_found_with_the_power_it_claims() -> None:
    chance = random.Random(2)
    detectable = statistics.mean(drawn(0.0, 64, chance).detectable for _ in range(100))

    found = [drawn(detectable, 64, chance).low(ERROR) > 0 for _ in range(1000)]

    assert 0.76 <= statistics.mean(found) <= 0.84


def test_at_the_budget_itself_either_mistake_stays_as_rare_as_it_claims() -> None:
    chance = random.Random(3)
    found = [
        drawn(0.01, 32, chance).against(0.01, wrongly_passed=0.05, wrongly_blocked=0.05)
        for _ in range(1000)
    ]

    assert found.count("within") <= 70
    assert found.count("exceeded") <= 70
    assert found.count("undecided") >= 860


def test_one_pair_tells_nothing() -> None:
    alone = relative_rise([2.0], [2.0])

    assert alone.against(0.5, wrongly_passed=0.05, wrongly_blocked=0.05) == "undecided"


@pytest.mark.parametrize(
    ("p", "freedom", "t"),
    [(0.95, 7, 1.895), (0.99, 15, 2.602), (0.999, 31, 3.375), (0.99999, 63, 4.613)],
)
def test_students_quantile_is_that_of_the_tables(p: float, freedom: int, t: float) -> None:
    assert student_quantile(p, freedom) == pytest.approx(t, abs=0.002)
    assert student_quantile(p, 0) == math.inf


def test_the_sign_test_is_exact() -> None:
    assert sign_test([True, True, False], [True, False, True]) == SignTest(1, 1, 3)
    assert SignTest(0, 0, 10).chance == 1
    assert SignTest(5, 0, 48).chance == pytest.approx(1 / 32)
    assert SignTest(9, 1, 48).chance == pytest.approx(11 / 1024)
    assert SignTest(0, 0, 48).detectable(0.01) == pytest.approx(7 / 48)


def test_all_nights_together_spend_no_more_than_one_error() -> None:
    spent = sum(error_of_night(night) for night in range(1, 100_000))

    assert spent == pytest.approx(ERROR, rel=1e-4)
    assert error_of_night(1) == ERROR / 2


@pytest.fixture
def models() -> tuple[LlamaForCausalLM, LlamaForCausalLM]:
    """A model with random weights, and one whose head is much too sure."""
    torch.manual_seed(1)  # pyright: ignore[reportUnknownMemberType]
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    base = LlamaForCausalLM(config).eval()
    changed = copy.deepcopy(base)
    with torch.no_grad():
        changed.lm_head.weight.mul_(8)
    return base, changed


def sequences(count: int) -> list[torch.Tensor]:
    chance = torch.Generator().manual_seed(5)
    return [torch.randint(0, 64, (5 + i % 7,), generator=chance) for i in range(count)]


def test_sequences_keep_their_order(models: tuple[LlamaForCausalLM, LlamaForCausalLM]) -> None:
    rows = sequences(20)

    whole = compared(*models, rows)

    assert whole.sizes == tuple(len(row) - 1 for row in rows)
    alone = compared(*models, rows[3:4])
    assert (whole.before[3], whole.after[3]) == pytest.approx((alone.before[0], alone.after[0]))


def test_a_plain_case_is_settled_at_the_first_look(
    models: tuple[LlamaForCausalLM, LlamaForCausalLM],
) -> None:
    base, changed = models

    same = settled_drift(base, base, sequences(64), budget=0.01, night=1)
    other = settled_drift(base, changed, sequences(64), budget=1e-6, night=1)

    assert (same[0].sequences, same[1]) == (8, "within")
    assert (other[0].sequences, other[1]) == (8, "exceeded")


def test_where_more_sequences_do_not_help_it_stays_undecided(
    models: tuple[LlamaForCausalLM, LlamaForCausalLM],
) -> None:
    base, changed = models
    rows = sequences(64)
    rise = compared(base, changed, rows).rise.estimate

    apart, found = settled_drift(base, changed, rows, budget=rise, night=1)

    assert (apart.sequences, found) == (64, "undecided")
    assert apart.rise == pytest.approx(rise)
