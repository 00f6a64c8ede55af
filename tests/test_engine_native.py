"""The engine's own code for few rows against torch, where it was built."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch
from test_engine_decoder import LLAMA3, config, error, ids, module, random
from torch import Tensor

from server.engine.decoder import decoder_of
from server.engine.decoder_sequence import DecoderSequence
from server.engine.kernels import Exact
from server.engine.native.library import library
from server.engine.native.products import NativeProduct
from server.engine.sequence import ModuleSequence

# where a compiler is, the installation has built it: a library missing there is an error
pytestmark = pytest.mark.skipif(
    library() is None and shutil.which("cc") is None, reason="no C compiler here"
)
WIDE = {"hidden_size": 64, "head_dim": 32}
CONFIGS = {
    "llama": config("llama", **WIDE),
    "llama, biases": config("llama", attention_bias=True, mlp_bias=True, **WIDE),
    "llama, far": config("llama", rope_parameters=LLAMA3, **WIDE),
    "llama, three heads on one key": config(
        "llama", num_attention_heads=3, num_key_value_heads=1, hidden_size=96, head_dim=32
    ),
    "qwen2": config("qwen2", hidden_size=128),
    "qwen3": config("qwen3", hidden_size=64, head_dim=64),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_few_rows_give_the_modules_logits(name: str) -> None:
    model = module(CONFIGS[name])
    decoder = decoder_of(model)
    assert decoder is not None
    assert decoder.step is not None
    sequence, oracle = DecoderSequence(decoder), ModuleSequence(model)

    for part in (ids(300), ids(1, 2), ids(2, 3), ids(5, 4), ids(16, 5), ids(17, 6), ids(3, 7)):
        found, expected = sequence.read_last(part, len(part)), oracle.read_last(part, len(part))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 7, 16])
@pytest.mark.parametrize("outs", [1, 7, 24])
def test_weights_that_are_halves_are_multiplied_exactly(rows: int, outs: int) -> None:
    weight, bias, x = (
        random(outs, 64, 1).bfloat16().float(),
        random(1, outs, 2)[0],
        random(rows, 64, 3),
    )

    product = NativeProduct([weight], [bias], is_packed=False)

    assert product.size_bytes == weight.numel() * 2
    torch.testing.assert_close(product(x), Exact([weight], [bias])(x), rtol=1e-5, atol=1e-5)


def test_weights_that_halves_do_not_hold_are_multiplied_exactly() -> None:
    weight, x = random(24, 64, 1), random(3, 64, 2)

    product = NativeProduct([weight], [None], is_packed=False)

    assert product.size_bytes == weight.numel() * 4
    torch.testing.assert_close(product(x), x @ weight.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 7, 16])
@pytest.mark.parametrize("outs", [1, 7, 24])
def test_a_product_of_bytes_is_the_exact_one_but_for_their_rounding(rows: int, outs: int) -> None:
    weights, biases = [random(outs, 64, 1), random(8, 64, 2)], [random(1, outs, 3)[0], None]
    x = random(rows, 64, 4)

    packed = NativeProduct(weights, biases, is_packed=True)

    assert error(packed(x), Exact(weights, biases)(x)) < 0.01


def test_a_long_sum_of_the_largest_inputs_does_not_overflow() -> None:
    weight, x = torch.ones(4, 65_536), torch.ones(1, 65_536)

    found = NativeProduct([weight], [None], is_packed=True)(x)

    torch.testing.assert_close(found, torch.full((1, 4), 65_536.0), rtol=1e-3, atol=0)


@pytest.mark.parametrize("bias", [None, random(1, 500, 7)[0]], ids=["plain", "bias"])
def test_the_best_outputs_are_exact(bias: Tensor | None) -> None:
    weight, x = random(500, 64, 5), random(3, 64, 6)

    found = NativeProduct([weight], [bias], is_packed=True).rescored(x, weight, 16)

    exact = Exact([weight], [bias])(x)
    best = exact.topk(4).indices
    torch.testing.assert_close(found.gather(1, best), exact.gather(1, best))
    assert int((found - exact).abs().lt(1e-4).sum(dim=1).min()) >= 16


def test_two_threads_give_what_one_gives() -> None:
    weight, x = random(600, 512, 5), random(2, 512, 6)
    product = NativeProduct([weight], [None], is_packed=False)
    threads = torch.get_num_threads()
    untyped: Any = torch

    found: list[Tensor] = []
    for count in (1, 2):
        untyped.set_num_threads(count)
        found.append(product(x))
    untyped.set_num_threads(threads)

    assert torch.equal(found[0], found[1])
