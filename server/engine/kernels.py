"""A matrix product for few rows and one for many, each in the form this processor does best.

Which form that is follows from the processor, the installation and the size alone, never from a
clock: the gate, in a process of its own, must multiply exactly as the server does.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear

from server.engine.native.products import NativeProduct, fits

FEW_ROWS = 16
"""Up to so many rows the weights' bytes decide, beyond it the arithmetic."""
RESCORED = 16
"""So many of the best tokens get their exact logit."""
MANY_ROWS = 256
"""Our own code reads at most so many at once."""
Rounding = Literal["none", "lossless", "bytes"]
"""Of the weights: as they are, as few bits as hold them, or eight."""


class Product(Protocol):
    """x (rows, in) float32 times a weight (out, in), plus a bias: (rows, out) float32."""

    def __call__(self, x: Tensor) -> Tensor: ...

    @property
    def size_bytes(self) -> int:
        """Memory that this form holds beyond the model's own weights."""
        ...


class Exact:
    """The weights as they are; several that share their input are multiplied one by one."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> None:
        self._parts = tuple(zip(weights, biases, strict=True))

    def __call__(self, x: Tensor) -> Tensor:
        found = [linear(x.to(w.dtype), w, b) for w, b in self._parts]
        whole = found[0] if len(found) == 1 else torch.cat(found, dim=-1)
        return whole.float()

    @property
    def size_bytes(self) -> int:
        return 0


class Half(Exact):
    """A copy in bfloat16, where the processor multiplies it at several times float32's rate."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> None:
        super().__init__(
            [w.bfloat16() for w in weights],
            [None if b is None else b.bfloat16() for b in biases],
        )

    @property
    def size_bytes(self) -> int:
        return sum(w.nbytes for w, _ in self._parts)


class Int8:
    """Eight bits per weight, one scale per output; the inputs are rounded row by row."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> None:
        weight = torch.cat([w.float() for w in weights])
        parts = [
            weight.new_zeros(len(w)) if b is None else b.float()
            for w, b in zip(weights, biases, strict=True)
        ]
        bias = torch.cat(parts) if any(b is not None for b in biases) else None
        self._packed = _packed(weight, bias)
        self._narrow = _needs_narrow_inputs()
        self.size_bytes = weight.numel()

    def __call__(self, x: Tensor) -> Tensor:
        product: Any = torch.ops.quantized.linear_dynamic
        return product(x, self._packed, self._narrow)


class Int8Head(Int8):
    """Eight bits for all tokens, and the weights as they are for those that may come next."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__([weight], [bias])
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        logits = super().__call__(x)
        for row, state in zip(logits, x, strict=True):
            best = row.topk(min(RESCORED, len(row)), sorted=False).indices
            exact = torch.mv(self._weight[best].float(), state)
            row[best] = exact if self._bias is None else exact + self._bias[best].float()
        return logits


class NativeHead:
    """What Int8Head is, in our own code."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._product = NativeProduct([weight], [bias], is_packed=True)
        self._weight = weight.contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        return self._product.rescored(x, self._weight, RESCORED)

    @property
    def size_bytes(self) -> int:
        return self._product.size_bytes


def head(weight: Tensor, bias: Tensor | None) -> Product:
    """weight (vocabulary, width), its rows one behind the other where that can be."""
    if weight.dtype == torch.float32 and weight.is_contiguous() and fits(weight):
        return NativeHead(weight, bias)
    return Int8Head(weight, bias) if has_int8() else Exact([weight], [bias])


class Linear:
    """One or more weights on the same input, in a form for few rows and one for many."""

    def __init__(
        self, weights: Sequence[Tensor], biases: Sequence[Tensor | None], rounding: Rounding
    ) -> None:
        exact = Exact(weights, biases)
        is_packed = rounding == "bytes"
        self.native: NativeProduct | None = None
        """What multiplies few rows, and many too but on a processor that does them faster in
        bfloat16, where our own code does."""
        if rounding != "none" and all(map(fits, weights)):
            self.native = NativeProduct(weights, biases, is_packed=is_packed)
        packs = is_packed and has_int8()
        self._few: Product = self.native or (Int8(weights, biases) if packs else exact)
        many = self.native or exact
        self._many: Product = Half(weights, biases) if has_fast_bfloat16() else many

    def __call__(self, x: Tensor) -> Tensor:
        """x (rows, in) float32; (rows, out of all weights together) float32."""
        return self._few(x) if len(x) <= FEW_ROWS else self._many(x)

    @property
    def size_bytes(self) -> int:
        forms = {id(form): form for form in (self._few, self._many)}
        return sum(form.size_bytes for form in forms.values())


@functools.cache
def has_fast_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16."""
    cpu: Any = torch.cpu
    return bool(cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())


@functools.cache
def has_int8() -> bool:
    """Whether this torch brings the packed product."""
    return "fbgemm" in torch.backends.quantized.supported_engines


@functools.cache
def _needs_narrow_inputs() -> bool:
    """Whether inputs of eight bits overflow the sums of two products, as without VNNI they do."""
    ones = torch.ones(1, 64)
    product: Any = torch.ops.quantized.linear_dynamic
    found = product(ones, _packed(torch.ones(8, 64), None), False)
    return bool((found - 64).abs().max() > 1)


def _packed(weight: Tensor, bias: Tensor | None) -> Any:
    """`weight` (out, in), rounded to the nearest of 255 steps per output."""
    scale = (weight.abs().amax(dim=1) / 127).clamp_min(1e-12)
    zero = torch.zeros(len(weight), dtype=torch.long)
    untyped: Any = torch
    with warnings.catch_warnings():
        # torch means to replace this kind of tensor; on the CPU its product has no equal yet
        warnings.simplefilter("ignore", UserWarning)
        rounded = untyped.quantize_per_channel(weight, scale, zero, 0, torch.qint8)
        return untyped.ops.quantized.linear_prepack(rounded, bias)
