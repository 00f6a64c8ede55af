"""All layers in one call for few rows: most of a small model's time goes between operations."""

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
        self._held = layers, last_norm
        """The structures point into their tensors."""
        self._rows = rows
        found, after, gate_up, _ = (product.matrix for product in layers[0].products)
        self._workspace = rows * (after.out + found.out + after.into + gate_up.out)
        self._queries = (rows + 1) * heads
        blocks = (Block * len(layers))(*map(_block, layers))
        sizes = (len(layers), after.out, heads, key_heads, head_width, gate_up.out // 2)
        self._model = Model(blocks, _norm(last_norm), *sizes)
        self._library: Any = library()

    def buffers(
        self, keys: Sequence[Tensor], values: Sequence[Tensor], cosine: Tensor, sine: Tensor
    ) -> Buffers:
        """keys and values (key heads, room, head width) per layer, written to by `read`; cosine
        and signed sine (room, 1, head width)."""
        room = len(cosine)
        scores = torch.empty(self._queries * (room + HEAD_STEP))
        return Buffers(keys, values, cosine, sine, torch.empty(self._workspace), scores)

    def read(self, x: Tensor, buffers: Buffers, start: int) -> None:
        """x (rows, width): embeddings of the tokens from `start` on, changed into the last states,
        normed."""
        assert len(x) <= self._rows
        self._model.threads = torch.get_num_threads()
        self._library.read_rows(
            ctypes.addressof(self._model), buffers.address, x.data_ptr(), start, len(x)
        )


class Buffers:
    """What `Step.read` writes to, and keeps alive."""

    def __init__(
        self,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        cosine: Tensor,
        sine: Tensor,
        workspace: Tensor,
        scores: Tensor,
    ) -> None:
        self._held = (*keys, *values, cosine, sine, workspace, scores)
        pointers = ctypes.c_void_p * len(keys)
        self._state = State(
            pointers(*(part.data_ptr() for part in keys)),
            pointers(*(part.data_ptr() for part in values)),
            *(part.data_ptr() for part in (cosine, sine, workspace, scores)),
            len(cosine),
        )
        self.address = ctypes.addressof(self._state)


def _block(layer: Layer) -> Block:
    return Block(*map(_norm, layer.norms), *(product.matrix for product in layer.products))


def _norm(parts: NormParts | None) -> Norm:
    return Norm(None, 0.0) if parts is None else Norm(parts[0].data_ptr(), parts[1])
