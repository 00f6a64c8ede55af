"""Our own forward pass against transformers' modules, and the forms of its matrix products."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from server.engine.decoder import decoder_of
from server.engine.decoder_sequence import DecoderSequence
from server.engine.kernels import Exact, Int8, Int8Head, Product, has_int8
from server.engine.sequence import ModuleSequence

SMALL: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def config(family: str, **options: Any) -> Any:
    loader: Any = AutoConfig
    return loader.for_model(family, **(SMALL | options))


CONFIGS = {
    "llama": config("llama"),
    "llama, tied": config("llama", tie_word_embeddings=True),
    "llama, biases": config("llama", attention_bias=True, mlp_bias=True),
    "llama, far": config("llama", rope_parameters=LLAMA3),
    "llama, one head": config("llama", num_key_value_heads=1),
    "qwen2": config("qwen2"),
    "qwen3": config("qwen3", head_dim=16),
}


def module(shape: Any) -> Any:
    untyped: Any = torch
    untyped.manual_seed(5)
    loader: Any = AutoModelForCausalLM
    model = loader.from_config(shape).eval()
    for name, weight in model.named_parameters():
        if "bias" in name or "norm" in name:  # as made they are all zeros and ones
            torch.nn.init.normal_(weight, mean=float("norm" in name), std=0.3)
        else:
            torch.nn.init.normal_(weight, std=0.2)
    return model


def ids(count: int, seed: int = 1) -> list[int]:
    chance = torch.Generator().manual_seed(seed)
    made: Any = torch.randint(97, (count,), generator=chance)
    return made.tolist()


def ours(model: Any) -> DecoderSequence:
    decoder = decoder_of(model)
    assert decoder is not None
    return DecoderSequence(decoder)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_decoder_gives_the_modules_logits(name: str) -> None:
    model = module(CONFIGS[name])
    sequence, oracle = ours(model), ModuleSequence(model)

    for part in (ids(300), ids(1, 2), ids(5, 3), ids(17, 4), ids(1, 5)):
        torch.testing.assert_close(sequence.read(part), oracle.read(part), rtol=1e-4, atol=1e-4)
    assert sequence.tokens == oracle.tokens


def test_rows_read_together_are_as_if_read_one_by_one() -> None:
    model = module(CONFIGS["qwen3"])
    together, one_by_one = ours(model), ours(model)
    together.read(ids(20))
    one_by_one.read(ids(20))

    found = together.read_last(ids(5, 2), 5)

    expected = torch.stack([one_by_one.read([token]) for token in ids(5, 2)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_after_going_back_nothing_of_what_was_read_is_left() -> None:
    model = module(CONFIGS["llama"])
    sequence, fresh = ours(model), ours(model)
    sequence.read(ids(40))

    sequence.rewind(12)
    found = sequence.read(ids(9, 2))

    expected = fresh.read([*ids(40)[:12], *ids(9, 2)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert sequence.tokens == fresh.tokens


def test_a_text_longer_than_the_buffer_makes_it_grow() -> None:
    model = module(CONFIGS["llama"])
    sequence, oracle = ours(model), ModuleSequence(model)
    sequence.read(ids(250))
    before = sequence.size_bytes

    found = sequence.read(ids(20, 2))

    oracle.read(ids(250))
    torch.testing.assert_close(found, oracle.read(ids(20, 2)), rtol=1e-4, atol=1e-4)
    assert sequence.size_bytes == 2 * before


@pytest.mark.parametrize(
    "shape",
    [
        config("gpt2"),
        config("llama", hidden_act="gelu"),
        config("qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=1),
        config("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
    ],
    ids=["gpt2", "gelu", "sliding window", "angles that change with the length"],
)
def test_an_architecture_that_is_not_known_is_left_to_transformers(shape: Any) -> None:
    assert decoder_of(module(shape)) is None


def random(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def error(found: Tensor, exact: Tensor) -> float:
    """Relative to the exact one's size."""
    return float(((found - exact).square().sum() / exact.square().sum()).sqrt())


needs_int8 = pytest.mark.skipif(not has_int8(), reason="this torch has no packed product")


@needs_int8
@pytest.mark.parametrize("rows", [1, 5])
def test_the_packed_product_is_the_exact_one_but_for_its_rounding(rows: int) -> None:
    weights, biases = [random(24, 64, 1), random(8, 64, 2)], [random(1, 24, 3)[0], None]
    x = random(rows, 64, 4)

    exact, packed = Exact(weights, biases)(x), Int8(weights, biases)(x)

    assert packed.shape == (rows, 32)
    assert error(packed, exact) < 0.02


@needs_int8
def test_the_packed_product_survives_inputs_at_the_end_of_their_range() -> None:
    weight = torch.ones(8, 64)

    product: Product = Int8([weight], [None])

    torch.testing.assert_close(
        product(torch.ones(1, 64)), torch.full((1, 8), 64.0), rtol=0.01, atol=0
    )


@needs_int8
@pytest.mark.parametrize("bias", [None, random(1, 500, 7)[0]], ids=["plain", "bias"])
def test_the_packed_head_gives_the_best_tokens_their_exact_logits(bias: Tensor | None) -> None:
    weight, x = random(500, 64, 5), random(3, 64, 6)

    found, exact = Int8Head(weight, bias)(x), Exact([weight], [bias])(x)

    best = exact.topk(4).indices
    torch.testing.assert_close(found.gather(1, best), exact.gather(1, best))
    assert found.argmax(1).equal(exact.argmax(1))
