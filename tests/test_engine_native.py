"""The engine's own code against torch, where it was built."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch
from test_engine_decoder import LLAMA3, config, error, ids, module, random
from torch import Tensor

from server.engine.decoder import decoder_of
from server.engine.decoder_sequence import DecoderSequence
from server.engine.kernels import MANY_ROWS, Exact
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


ROWS = [1, 2, 3, 4, 5, 6, 7, 16, 17, 40]


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_give_the_modules_logits_however_they_are_cut(name: str) -> None:
    model = module(CONFIGS[name])
    decoder = decoder_of(model)
    assert decoder is not None
    assert decoder.step is not None
    sequence, oracle = DecoderSequence(decoder), ModuleSequence(model)

    for part in (ids(MANY_ROWS + 44), *(ids(count, count) for count in (1, 2, 3, 5, 16, 17, 3))):
        found, expected = sequence.read_last(part, len(part)), oracle.read_last(part, len(part))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, MANY_ROWS, MANY_ROWS + 3])
def test_the_last_rows_are_the_same_when_fewer_are_wanted(count: int) -> None:
    decoder = decoder_of(module(CONFIGS["qwen3"]))
    assert decoder is not None
    part = ids(MANY_ROWS + 20)

    wanted, whole = (DecoderSequence(decoder).read_last(part, rows) for rows in (count, len(part)))

    torch.testing.assert_close(wanted, whole[-count:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("outs", [1, 7, 24])
@pytest.mark.parametrize("width", ["bytes", "halves", "floats"])
def test_a_product_is_the_exact_one_but_for_the_rounding_to_bytes(
    rows: int, outs: int, width: str
) -> None:
    weights, biases = [random(outs, 592, 1), random(8, 592, 2)], [random(1, outs, 3)[0], None]
    if width == "halves":
        weights = [weight.bfloat16().float() for weight in weights]
    x = random(rows, 592, 4)

    product = NativeProduct(weights, biases, is_packed=width == "bytes")

    assert error(product(x), Exact(weights, biases)(x)) < (0.01 if width == "bytes" else 1e-6)


@pytest.mark.parametrize("rows", [1, 40])
def test_inputs_are_hardly_rounded(rows: int) -> None:
    weight, x = random(24, 64, 1), random(rows, 64, 2)
    scale = weight.abs().amax(dim=1, keepdim=True) / 127

    found = NativeProduct([weight], [None], is_packed=True)(x)

    assert error(found, x @ ((weight / scale).round() * scale).T) < 1e-4


def test_a_product_takes_as_few_bytes_as_hold_the_weights() -> None:
    weight = random(32, 64, 1)

    packed, floats, halves = (
        NativeProduct([w], [None], is_packed=is_packed).size_bytes
        for w, is_packed in ((weight, True), (weight, False), (weight.bfloat16().float(), False))
    )

    assert (packed, halves, floats) == (32 * 64, 2 * 32 * 64, 4 * 32 * 64)


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("rows", [1, 20])
def test_a_long_sum_of_the_largest_inputs_does_not_overflow(rows: int, is_packed: bool) -> None:
    weight, x = torch.ones(4, 65_536), torch.ones(rows, 65_536)

    found = NativeProduct([weight], [None], is_packed=is_packed)(x)

    torch.testing.assert_close(found, torch.full((rows, 4), 65_536.0), rtol=1e-3, atol=0)


@pytest.mark.parametrize("bias", [None, random(1, 500, 7)[0]], ids=["plain", "bias"])
def test_the_best_outputs_are_exact(bias: Tensor | None) -> None:
    weight, x = random(500, 64, 5), random(3, 64, 6)

    found = NativeProduct([weight], [bias], is_packed=True).rescored(x, weight, 16)

    exact = Exact([weight], [bias])(x)
    best = exact.topk(4).indices
    torch.testing.assert_close(found.gather(1, best), exact.gather(1, best))
    assert int((found - exact).abs().lt(1e-4).sum(dim=1).min()) >= 16


@pytest.mark.parametrize("rows", [2, 40])
def test_two_threads_give_what_one_gives(rows: int) -> None:
    weight, x = random(600, 512, 5), random(rows, 512, 6)
    product = NativeProduct([weight], [None], is_packed=False)
    threads = torch.get_num_threads()
    untyped: Any = torch

    found: list[Tensor] = []
    for count in (1, 2):
        untyped.set_num_threads(count)
        found.append(product(x))
    untyped.set_num_threads(threads)

    assert torch.equal(found[0], found[1])
