"""An adapter beside the weights it belongs to, y = W x + s B (A x): nothing is merged or copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from server.engine.adapters import LoraAdapter, shared_copy
from server.engine.decoder import Decoder
from server.engine.kernels import Product

Pair = tuple[Tensor, Tensor]
"""A (rank, in) and s B (out, rank)."""


class LowRank:
    """A product with an adapter on the matrices it multiplies with. Implements kernels.Product."""

    def __init__(
        self, product: Product, pairs: Sequence[Pair | None], widths: Sequence[int]
    ) -> None:
        """`pairs` and `widths` (outputs) are those of the product's matrices, in their order."""
        self._product = product
        places = [slice(a, b) for a, b in pairwise([0, *accumulate(widths)])]
        self._sides = [
            (place, *pair) for place, pair in zip(places, pairs, strict=True) if pair is not None
        ]

    def __call__(self, x: Tensor) -> Tensor:
        return self.add_change(self._product(x), x)

    def add_change(self, y: Tensor, x: Tensor) -> Tensor:
        """Add s B (A x) to y (rows, out) in place, for x (rows, in)."""
        for place, a, b in self._sides:
            y[:, place].addmm_(x @ a.t(), b.t())
        return y

    @property
    def reads(self) -> Tensor:
        """The directions (all ranks, in) of its input that it acts on."""
        return torch.cat([a for _, a, _ in self._sides])

    @property
    def size_bytes(self) -> int:
        return sum(a.nbytes + b.nbytes for _, a, b in self._sides)


class LowRankModule(nn.Module):
    """The same for a module of transformers."""

    def __init__(self, module: Any, pair: Pair) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.module = module
        self._a, self._b = pair

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x) + linear(linear(x, self._a), self._b)


def products_beside(
    decoder: Decoder, model: Any, adapter: LoraAdapter
) -> dict[tuple[str, ...], LowRank] | None:
    """The products of the decoder over `model` that the adapter changes, with it beside them.

    None if the adapter is on other modules too.
    """
    pairs = _pairs(adapter, torch.device("cpu"), torch.float32)
    changed = {
        names: product
        for names, product in decoder.products().items()
        if not pairs.keys().isdisjoint(names)
    }
    if not pairs.keys() <= {name for names in changed for name in names}:
        return None
    return {
        names: LowRank(
            product,
            [pairs.get(name) for name in names],
            [len(model.get_submodule(name).weight) for name in names],
        )
        for names, product in changed.items()
    }


def module_beside(model: Any, adapter: LoraAdapter) -> Any:
    """A copy of the transformers module that shares all its weights, with the adapter beside."""
    spare = shared_copy(model)
    for name, pair in _pairs(adapter, model.device, model.dtype).items():
        parent, _, own = name.rpartition(".")
        setattr(spare.get_submodule(parent), own, LowRankModule(spare.get_submodule(name), pair))
    return spare


def _pairs(adapter: LoraAdapter, device: torch.device, dtype: torch.dtype) -> Mapping[str, Pair]:
    return {
        name: (a.to(device, dtype), (adapter.scale * b).to(device, dtype))
        for name, (a, b) in adapter.pairs.items()
    }
