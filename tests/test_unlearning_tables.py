"""The comparison of methods: what dominates what, which training is chosen, what is kept."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.unlearning.runs import Budget, Part, Point, Runs, Score, Trial, merit
from benchmarks.unlearning.tables import (
    dominance_ratio,
    dominates,
    hypervolume,
    rows,
    standings,
)


def score(forget: float, utility: float) -> Score:
    return Score(
        forget_quality=forget,
        unsmoothed_quality=forget,
        utility_kept=utility,
        accuracy_kept=utility,
        exact_kept=utility,
        parses_kept=utility,
        leaking=0.0,
        leak16=math.nan,
        prefix_effect=0.0,
        variants_leaking=0.0,
        neighbours_kept=1.0,
        below_thresholds=1.0,
        garbage=0.0,
        replaced=None,
        worst_probability=0.1,
    )


def point(
    method: str,
    forget: float,
    utility: float,
    *,
    seed: int = 0,
    rate: float = 1e-3,
    part: Part = "test",
    updates: int = 18,
    is_last: bool = True,
) -> Point:
    trial = Trial("embedded", "secrets", method, rate, seed, part)
    return Point(trial, updates, is_last, 1.0, score(forget, utility))


def test_a_row_is_the_end_of_a_test_training() -> None:
    found = rows(
        [
            point("prod", 0.5, 0.99, part="tuning"),
            point("prod", 0.6, 0.98, updates=6, is_last=False),
            point("prod", 0.9, 0.95),
        ]
    )

    assert [(row.method, row.forget_quality, row.updates) for row in found] == [("prod", 0.9, 18)]


def test_a_standing_is_the_mean_over_seeds_with_its_interval() -> None:
    (found,) = standings(rows([point("prod", q, 0.9, seed=i) for i, q in enumerate((0.8, 0.9, 1))]))

    assert (found.seeds, found.forget_quality) == (3, pytest.approx(0.9))
    assert found.forget_half == pytest.approx(4.30 * 0.1 / math.sqrt(3))
    assert found.utility_half == 0


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0.9, 0.9), (0.9, 0.8), True),
        ((0.9, 0.9), (0.9, 0.9), False),
        ((0.9, 0.7), (0.8, 0.8), False),
        ((0.8, 0.8), (0.9, 0.9), False),
    ],
)
def test_dominance_is_paretos(
    one: tuple[float, float], other: tuple[float, float], expected: bool
) -> None:
    a, b = standings(rows([point("a", *one), point("b", *other)]))

    assert dominates(a, b) is expected


def test_the_dominance_ratio_counts_the_points_of_the_others() -> None:
    places = standings(rows([point("a", 0.9, 0.9), point("b", 0.8, 0.8), point("c", 1.0, 0.1)]))

    assert dominance_ratio(places, "a") == 0.5


def test_the_hypervolume_is_the_area_under_the_staircase() -> None:
    assert hypervolume([]) == 0
    assert hypervolume([(0.5, 0.5)]) == pytest.approx(0.25)
    assert hypervolume([(0.5, 1.0), (1.0, 0.5), (0.4, 0.4)]) == pytest.approx(0.75)
    assert hypervolume([(0.5, 1.3)]) == pytest.approx(0.5)


def test_enough_forgetting_comes_before_utility() -> None:
    assert merit(score(0.91, 0.5)) > merit(score(0.89, 1.0))
    assert merit(score(0.95, 0.9)) > merit(score(0.99, 0.8))
    assert merit(score(0.8, 0.1)) > merit(score(0.7, 1.0))


def test_kept_points_are_read_again_and_decide_the_rate(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "points.jsonl", Budget())
    tried = [
        point("prod", 0.95, 0.80, rate=1e-3, part="tuning", updates=12, is_last=False),
        point("prod", 0.99, 0.70, rate=1e-3, part="tuning"),
        point("prod", 0.95, 0.60, rate=3e-3, part="tuning"),
    ]

    runs.keep(tried)
    again = Runs(tmp_path / "points.jsonl", Budget())

    assert again.chosen("embedded", "secrets", "prod") == (1e-3, 12)
    assert again.of(tried[0].trial)[1].score.utility_kept == 0.70
    assert again.of(Trial("embedded", "secrets", "ga", 1e-3, 0, "test")) == []
