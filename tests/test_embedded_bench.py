"""The benchmark of the embedded model: its baselines, its tables and the part of the card."""

import numpy as np
import pytest

from benchmarks.embedded_model.bench import QUICK, measure, report, with_part
from benchmarks.embedded_model.bench_sources import quick_texts
from benchmarks.embedded_model.figures import Row, table, unbeaten
from benchmarks.embedded_model.layout import MODEL
from benchmarks.embedded_model.nearest_line import repeated_line
from benchmarks.embedded_model.ngram import NGrams

TEXT = [1, 2, 3, 4, 5, 1, 2, 3, 4, 6, 1, 2, 3, 4, 5, 7]


def test_a_distribution_of_counted_tokens_sums_to_one() -> None:
    ngrams = NGrams(np.asarray(TEXT), vocabulary=9)

    for context in ([], [1], [8], [1, 2, 3, 4], [4, 4, 4, 4], [9 - 1, 2, 3, 4, 5]):
        p = ngrams.distribution(context)
        assert p.sum() == pytest.approx(1.0)
        assert p.min() > 0


def test_the_longest_context_that_was_seen_decides() -> None:
    ngrams = NGrams(np.asarray(TEXT), vocabulary=9)

    assert ngrams.distribution([1, 2, 3, 4]).argsort()[-2:].tolist() == [6, 5]
    assert ngrams.greedy([8, 1], frozenset([7]), tokens=9) == [2, 3, 4, 5, 1, 2, 3, 4, 5]
    assert ngrams.greedy([8, 1], frozenset([4]), tokens=9) == [2, 3]


def test_a_discounted_count_goes_to_the_shorter_context() -> None:
    ngrams = NGrams(np.asarray([1, 2, 1, 2, 1, 3, 1, 4]), vocabulary=5, order=2)

    p = ngrams.distribution([1])

    # Of the pairs three occur once and two twice; three tokens follow one other token, one two.
    pair, single = 3 / (3 + 2 * 2), 3 / (3 + 2 * 1)
    alone = (1 - single) / 5 + single * 4 / 5 * (1 / 5)
    assert p[2] == pytest.approx((2 - pair) / 4 + pair * 3 / 4 * alone)


def test_the_line_below_the_most_similar_lines_is_repeated() -> None:
    prefix = "def a(x):\n    y = x.one()\n    return y\n\n\ndef b(z):\n    y = z.one()\n    "

    assert repeated_line(prefix) == "return y"
    assert repeated_line("") == ""
    assert repeated_line("import os\n") == "import os"


def test_what_the_model_does_not_beat_is_said() -> None:
    rows = [
        Row("packages", "ours", "spm", "exact match", 0.01),
        Row("packages", "lines", None, "exact match", 0.04),
        Row("packages", "ours", None, "nats", 3.0),
        Row("packages", "lines", None, "nats", 5.0),
    ]

    assert unbeaten(rows, "ours", ("nats",)) == ["packages, exact match: lines 4.0 %; spm 1.0 %"]
    assert table(rows[:2]).splitlines()[2:] == ["| ours, spm | 1.0 % |", "| lines | 4.0 % |"]


def test_a_part_of_the_card_is_replaced_between_its_marks() -> None:
    card = "a\n<!-- written by the bench step: x -->\nold\n<!-- end of x -->\nb\n"

    once = with_part(card, "x", "new")

    assert once == card.replace("\nold\n", "\n\nnew\n\n")
    assert with_part(once, "x", "new") == once
    with pytest.raises(ValueError, match="no marks for 'y'"):
        with_part(card, "y", "new")


@pytest.mark.slow
def test_a_quick_bench_measures_everything_without_a_network() -> None:
    measured = measure(MODEL, quick_texts(QUICK.lines), QUICK)

    sets = {row.set for row in measured.rows}
    assert sets >= {"a fresh process", "decoding", "secret canaries", "held-out packages"}
    assert len(measured.completions) == QUICK.shown
    assert "| embedded model, left to right |" in report(measured)
