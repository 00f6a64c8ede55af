"""A model that reads a common beginning once says what it says of each row alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from unlearn.forward import hidden_at
from unlearn.packing import packs

SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
OTHER: dict[str, Any] = {"vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 4}
BEGINNING = list(range(1, 31))
ROWS = [
    torch.tensor(row)
    for row in (
        [*BEGINNING, 40, 41, 42],
        [9, 8, 7, 6],
        [*BEGINNING, 45, 40, 41],
        [*BEGINNING[:28], 44, 29, 30],
        [*BEGINNING, 40, 41, 42],  # the same row again
        BEGINNING,  # nothing of its own
        list(range(12, 49)),
    )
]
PLACES = [torch.arange(len(row) - 3, len(row)) for row in ROWS]


@pytest.mark.parametrize(
    "config",
    [LlamaConfig(**SHAPE), Qwen2Config(**SHAPE), Qwen3Config(**SHAPE), GPT2Config(**OTHER)],
    ids=lambda config: config.model_type,
)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_rows_together_are_as_rows_alone(config: PreTrainedConfig, attention: str) -> None:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    loader: Any = AutoModelForCausalLM
    model = loader.from_config(config, attn_implementation=attention).eval()
    together = hidden_at(model, ROWS, PLACES)
    alone = torch.cat([hidden_at(model, [r], [p]) for r, p in zip(ROWS, PLACES, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        _gradient(model, together), _gradient(model, alone), rtol=1e-3, atol=1e-4
    )


def test_a_common_beginning_is_laid_out_once() -> None:
    found = packs(ROWS, shares=True)
    assert sorted(i for pack in found for i in pack.rows) == list(range(len(ROWS)))
    [shared] = [pack for pack in found if pack.sees is not None]
    # the 28 tokens common to five rows, and the ends of 5, 5, 3, 5 and 2
    assert 28 + 5 + 5 + 3 + 5 + 2 in shared.ids.ne(0).sum(-1)
    for pack in found:
        for i, star, columns in zip(pack.rows, pack.star, pack.columns, strict=True):
            assert pack.ids[star, columns].equal(ROWS[i])
            assert pack.times[star, columns].equal(torch.arange(len(ROWS[i])))


def test_without_sharing_every_row_stands_for_itself() -> None:
    [pack] = packs(ROWS, shares=False)
    assert len(pack.ids) == len(ROWS)
    assert pack.sees is None


def test_short_and_long_stars_are_not_padded_to_each_other() -> None:
    rows = [torch.full((n,), n) for n in (10, 12, 40, 45)]
    assert [tuple(pack.ids.shape) for pack in packs(rows, shares=True)] == [(2, 12), (2, 45)]


def _gradient(model: Any, hidden: Tensor) -> Tensor:
    weight: Tensor = model.get_input_embeddings().weight
    return torch.autograd.grad(hidden.square().sum(), weight, retain_graph=True)[0]
