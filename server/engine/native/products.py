"""Products of few rows in our own code, in as few bits as the weights ask for."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from server.engine.native.library import BYTES, FLOATS, HALVES, Matrix, library

STEP = 16
"""The numbers of a row are rounded so many at a time."""
PANEL = 16
"""So many outputs are made at a time."""


class NativeProduct:
    """One or more weights on the same input. Implements kernels.Product."""

    def __init__(
        self, weights: Sequence[Tensor], biases: Sequence[Tensor | None], *, is_packed: bool
    ) -> None:
        """`is_packed`: bytes, with one scale per output; else halves where they hold the weights
        exactly, and floats where they do not."""
        weight = torch.cat([w.float() for w in weights])
        outs, ins = weight.shape
        parts = [
            weight.new_zeros(len(w)) if b is None else b.float()
            for w, b in zip(weights, biases, strict=True)
        ]
        self._bias = _filled(torch.cat(parts)) if any(b is not None for b in biases) else None
        self._scale: Tensor | None = None
        together = 1
        if is_packed:
            scale = (weight.abs().amax(dim=1) / 127).clamp_min(1e-12)
            weight = (weight / scale[:, None]).round_().to(torch.int8)
            self._scale, together = _filled(scale), 2
        elif torch.equal(weight.bfloat16().float(), weight):
            weight = weight.bfloat16()
        panels = _filled(weight).view(-1, PANEL, ins // together, together).transpose(1, 2)
        self._weight = panels.contiguous()
        width = {torch.int8: BYTES, torch.bfloat16: HALVES}.get(weight.dtype, FLOATS)
        self.matrix = Matrix(
            self._weight.data_ptr(), _address(self._scale), _address(self._bias), outs, ins, width
        )
        """Points into tensors that this object keeps."""
        self._library: Any = library()
        self._address = ctypes.addressof(self.matrix)

    def __call__(self, x: Tensor) -> Tensor:
        x, found = x.contiguous(), x.new_empty(len(x), self.matrix.out)
        self._library.product(
            self._address, x.data_ptr(), found.data_ptr(), len(x), torch.get_num_threads()
        )
        return found

    def rescored(self, x: Tensor, exact: Tensor, count: int) -> Tensor:
        """The product, the `count` best outputs of each row from the `exact` weights (out, in)."""
        x, found = x.contiguous(), x.new_empty(len(x), self.matrix.out)
        self._library.rescored(
            self._address,
            exact.data_ptr(),
            x.data_ptr(),
            found.data_ptr(),
            len(x),
            min(count, self.matrix.out),
            torch.get_num_threads(),
        )
        return found

    @property
    def size_bytes(self) -> int:
        return self._weight.nbytes


def fits(weight: Tensor) -> bool:
    """Whether there is a native product for `weight` (out, in) here."""
    return library() is not None and weight.device.type == "cpu" and weight.shape[1] % STEP == 0


def _filled(rows: Tensor) -> Tensor:
    """With zeros, up to whole panels."""
    return torch.cat([rows, rows.new_zeros(-len(rows) % PANEL, *rows.shape[1:])])


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
