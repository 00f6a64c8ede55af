"""Guesses of the next tokens: where they come from, and that they never change what is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from engine_models import make_model
from torch import Tensor

from server.engine.decoder import decoder_of
from server.engine.decoder_sequence import DecoderSequence
from server.engine.drafts import FEWEST, MOST, Lookahead, NgramDrafts
from server.engine.load import LoadedModel, load_model


class Counted(DecoderSequence):
    """Counts its forward passes."""

    passes = 0

    def _read(self, ids: Sequence[int], rows: int) -> Tensor:
        self.passes += 1
        return super()._read(ids, rows)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(make_model(Path(tmp_path_factory.mktemp("model"))), "cpu")


def counted(loaded: LoadedModel) -> Counted:
    decoder = decoder_of(loaded.model)
    assert decoder is not None
    return Counted(decoder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 1, 2, 3], [4, 5, 6, 7]),
        ([9, 2, 3, 5, 1, 2, 3, 4, 8, 1, 2, 3], [4, 8, 1, 2]),  # the longest end that fits
        ([2, 3, 7, 7, 2, 3, 5, 5, 9, 2, 3], [5, 5, 9, 2]),  # of two places the later one
        ([1, 2, 3, 9, 3], []),  # one token alone says too little
        ([7, 7, 7], [7]),
        ([5], []),
        ([], []),
    ],
)
def test_a_guess_is_what_followed_the_same_words(text: list[int], expected: list[int]) -> None:
    assert NgramDrafts(text).propose(4) == expected


def test_a_place_between_two_tokens_is_no_match() -> None:
    # as bytes, 1 and 256 hold the two tokens 65536 and 0 across their border
    assert NgramDrafts([1, 256 << 16, 7, 65536, 0]).propose() == []


def test_what_is_said_next_can_be_guessed_from(loaded: LoadedModel) -> None:
    drafts = NgramDrafts([1, 2, 3, 9])

    for token in (1, 2):
        drafts.push(token)

    assert drafts.propose(4) == [3, 9, 1, 2]


@pytest.mark.parametrize("said", [[4, 5, 6, 7, 8, 1], [4, 9, 9, 9], [9, 4, 5, 6]])
def test_guesses_right_or_wrong_leave_the_logits_as_they_are(
    loaded: LoadedModel, said: list[int]
) -> None:
    prompt = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]
    sequence, plain = counted(loaded), counted(loaded)
    sequence.read(prompt)
    plain.read(prompt)
    ahead = Lookahead(sequence, NgramDrafts(prompt))

    for token in said:
        torch.testing.assert_close(ahead.after(token), plain.read([token]), rtol=1e-4, atol=1e-4)


def test_right_guesses_save_passes_and_reach_further_each_time(loaded: LoadedModel) -> None:
    text = list(range(1, 30))
    sequence = counted(loaded)
    sequence.read([*text, 1])
    ahead = Lookahead(sequence, NgramDrafts([*text, 1]))
    sequence.passes = 0

    for token in range(2, 2 + 1 + FEWEST + 1 + 2 * FEWEST + 1 + MOST):
        ahead.after(token)

    assert sequence.passes == 3
    assert MOST == 4 * FEWEST


def test_after_a_miss_guesses_are_few_again(loaded: LoadedModel) -> None:
    text = [*range(1, 30), 1]
    sequence = counted(loaded)
    sequence.read(text)
    ahead = Lookahead(sequence, NgramDrafts(text))
    for token in (2, 3, 4, 5, 6, 7, 8, 9, 10):
        ahead.after(token)

    for token in (90, 2, 3):
        ahead.after(token)

    assert sequence.tokens == [*text, 2, 3, 4, 5, 6, 7, 8, 9, 10, 90, 2, 3, 4, 5]
