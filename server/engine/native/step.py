"""All layers in one call: most of a small model's time would go between operations."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from server.engine.native.library import Block, Model, Norm, State, library
from server.engine.native.products import NativeProduct

HEAD_STEP = 32
"""Heads are read so many numbers at a time."""
NormParts = tuple[Tensor, float]
"""The weight and the epsilon."""


@dataclass(frozen=True)
class Layer:
    """What a layer multiplies with."""

    norms: tuple[NormParts, NormParts | None, NormParts | None, NormParts]
    """Before the attention, of queries, of keys, before the MLP."""
    products: tuple[NativeProduct, NativeProduct, NativeProduct, NativeProduct]
    """Queries with keys and values, after the attention, gate with up, down."""


class Step:
    """Reads a few tokens on through all layers."""

    def __init__(
        self,
        layers: Sequence[Layer],
        last_norm: NormParts,
        *,
        rows: int,
        heads: int,
        key_heads: int,
        head_width: int,
    ) -> None:
        """`rows`: the most that are read at once."""
        self.rows = rows
        self._held = layers, last_norm
        """The structures point into their tensors."""
        _, after, gate_up, _ = (product.matrix for product in layers[0].products)
        blocks = (Block * len(layers))(*map(_block, layers))
        sizes = (len(layers), after.out, heads, key_heads, head_width, gate_up.out // 2)
        self._model = Model(blocks, _norm(last_norm), *sizes)
        self._library: Any = library()

    def read(self, x: Tensor, buffers: Buffers, start: int, wanted: int) -> None:
        """x (rows, width): embeddings of the tokens from `start` on. The last `wanted` of them are
        changed into the last states, normed; the others are of no more use."""
        assert wanted <= len(x) <= self.rows
        self._model.threads = torch.get_num_threads()
        self._library.read_rows(
            ctypes.addressof(self._model), buffers.address, x.data_ptr(), start, len(x), wanted
        )


class Buffers:
    """The keys and values that `Step.read` reads and writes, kept alive."""

    def __init__(
        self, keys: Sequence[Tensor], values: Sequence[Tensor], cosine: Tensor, sine: Tensor
    ) -> None:
        """keys and values (key heads, room, head width) per layer; cosine and signed sine
        (room, 1, head width)."""
        self._held = (*keys, *values, cosine, sine)
        pointers = ctypes.c_void_p * len(keys)
        self._state = State(
            pointers(*(part.data_ptr() for part in keys)),
            pointers(*(part.data_ptr() for part in values)),
            cosine.data_ptr(),
            sine.data_ptr(),
            len(cosine),
        )
        self.address = ctypes.addressof(self._state)


def _block(layer: Layer) -> Block:
    return Block(*map(_norm, layer.norms), *(product.matrix for product in layer.products))


def _norm(parts: NormParts | None) -> Norm:
    return Norm(None, 0.0) if parts is None else Norm(parts[0].data_ptr(), parts[1])
