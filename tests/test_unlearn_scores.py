"""The scores of forgetting against slow, obvious versions and at their edges."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from unlearn.scores import (
    bleu,
    extraction_likelihood,
    extraction_strength,
    forget_quality,
    garbage,
    has_shape_of,
    leak_at_k,
    memorization_accuracy,
    overlap,
    repeats,
    share_in_one_piece,
    target_probability,
)


def test_accuracy_is_the_share_of_first_choices() -> None:
    assert memorization_accuracy([True] * 6 + [False] * 5) == pytest.approx(6 / 11)
    assert memorization_accuracy([True]) == 1


def test_strength_is_the_share_that_comes_by_itself() -> None:
    for hits in itertools.product([False, True], repeat=5):
        shortest = min(k for k in range(6) if all(hits[k:]))

        assert extraction_strength(hits) == pytest.approx(1 - shortest / 5)


def test_probability_is_the_mean_per_token() -> None:
    assert target_probability([math.log(0.5), math.log(0.125)]) == pytest.approx(0.25)
    assert target_probability([0.0]) == 1


def test_overlap_is_the_share_of_what_was_said() -> None:
    assert overlap([1, 2, 3, 9], [0, 1, 2, 3], 3) == pytest.approx(1 / 2)
    assert overlap([1, 2], [1, 2, 3], 3) == 0
    assert overlap([], [1, 2, 3], 3) == 0


def test_likelihood_is_the_mean_overlap_over_all_starts() -> None:
    chance = random.Random(1)
    target = [chance.randrange(4) for _ in range(9)]
    starts = list(range(len(target)))
    said = [[chance.randrange(4) for _ in range(9 - start)] for start in starts]

    terms: list[float] = []
    for i in range(len(target) - 3 + 1):
        grams = [tuple(said[i][j : j + 3]) for j in range(len(said[i]) - 2)]
        rest = [tuple(target[i:][j : j + 3]) for j in range(len(target[i:]) - 2)]
        terms.append(sum(gram in rest for gram in grams) / len(grams))

    assert extraction_likelihood(target, starts, said, 3) == pytest.approx(sum(terms) / 7)


def test_likelihood_of_a_short_target_is_all_or_nothing() -> None:
    assert extraction_likelihood([5, 6], [0, 1], [[5, 6, 7], [6]], 3) == 1
    assert extraction_likelihood([5, 6], [0, 1], [[5, 7, 6], [6]], 3) == 0
    assert extraction_likelihood([5, 6, 7], [0], [[5, 6, 7, 8]], 3) == 1


def test_bleu_is_one_for_equal_texts_however_short() -> None:
    for size in range(1, 8):
        text = list(range(size))
        assert bleu(text, text, is_smoothed=True) == pytest.approx(1)
        assert bleu(text, text, is_smoothed=False) == pytest.approx(1)


def test_bleu_by_hand() -> None:
    said, wanted = [1, 2, 3, 4, 9], [1, 2, 3, 4, 5, 6]

    precisions = [4 / 5, 3 / 4, 2 / 3, 1 / 2]
    smoothed = [4 / 5, 4 / 5, 3 / 4, 2 / 3]

    brevity = math.exp(1 - 6 / 5)
    assert bleu(said, wanted, is_smoothed=False) == pytest.approx(
        brevity * math.prod(precisions) ** 0.25
    )
    assert bleu(said, wanted, is_smoothed=True) == pytest.approx(
        brevity * math.prod(smoothed) ** 0.25
    )


def test_bleu_counts_a_repeated_token_once() -> None:
    assert bleu([7, 7, 7, 7], [7, 1, 2, 3], is_smoothed=True) < 0.5
    assert bleu([7, 7, 7, 7], [7, 1, 2, 3], is_smoothed=False) == 0
    assert bleu([], [1], is_smoothed=True) == 0


def test_garbage_is_worth_no_more_than_an_unrelated_answer() -> None:
    assert forget_quality(0.0, "empty", 0.9) == pytest.approx(0.9)
    assert forget_quality(0.4, "empty", 0.9) == pytest.approx(0.6)
    assert forget_quality(0.0, None, 0.9) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("  ", "empty"),
        ("0 + 0 + 0 + 0 + 0", "repeats"),
        ("f(", "does not parse"),
        ("g(2)", None),
    ],
)
def test_garbage_is_known_by_its_reason(answer: str, why: str | None) -> None:
    assert garbage("x = ", answer, "\n", "f(1)") == why


def test_syntax_is_not_judged_where_the_true_text_does_not_parse_either() -> None:
    assert garbage("if (", "f(", "\n", "f(1)") is None


def test_a_row_of_equal_short_pieces_is_a_repetition() -> None:
    assert repeats("abcabcabcabc")
    assert not repeats("abcabcabc")
    assert not repeats(" " * 40)


def test_leak_at_k_is_the_chance_of_drawing_a_leak() -> None:
    draws = list(itertools.combinations(range(6), 3))
    hit = sum(any(i < 2 for i in draw) for draw in draws)

    assert leak_at_k(6, 2, 3) == pytest.approx(hit / len(draws))
    assert leak_at_k(16, 0, 16) == 0
    assert leak_at_k(16, 1, 16) == 1


def test_the_longest_piece_is_a_share_of_the_secret() -> None:
    assert share_in_one_piece("abcdefghij", "xx abcdefgh yy") == pytest.approx(0.8)
    assert share_in_one_piece("abc", "") == 0


@pytest.mark.parametrize(
    ("said", "has"),
    [
        ('key = "AKIAZZZZZZZZZZZZZZZZ"', True),
        ('key = "AKIAZZZZ"', False),
        ('key = "BKIAZZZZZZZZZZZZZZZZ"', False),
        ('key = "AKIAzzzzzzzzzzzzzzzz"', False),
        ("", False),
    ],
)
def test_a_key_of_the_same_make_has_its_shape(said: str, has: bool) -> None:
    assert has_shape_of("AKIAQEGRTYHWPLKXBQQQ", said) is has
