"""The weights of a generation, in the form in which it is served: base, merged or unmerged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import linear, normalize
from transformers.pytorch_utils import Conv1D

from server.engine.adapters import LoraAdapter, check_fits, merged
from server.engine.config import Merge
from server.engine.decoder import Decoder, decoder_of, product_of
from server.engine.decoder_sequence import DecoderSequence
from server.engine.errors import ChangeLost
from server.engine.kernels import FEW_ROWS, Product
from server.engine.load import LoadedModel
from server.engine.low_rank import LowRank, module_beside, products_beside
from server.engine.memory import in_own_mappings
from server.engine.protocol import Form
from server.engine.sequence import ModuleSequence, Sequence

RESERVE_BYTES = 256 * 2**20
"""Left to requests and to everybody else while there is a spare copy."""
MOST_MERGE_ERROR = 0.5
"""With more, most of what is served is rounding and not the adapter's change."""
Available = Callable[[torch.device], int]
Names = tuple[str, ...]
Rows = Literal["few", "many"]
Change = tuple[Rows, Tensor, Tensor]
"""For how many rows; what a merge adds to outputs, and what the adapter says it should add, on the
inputs that the adapter reads."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What a generation reads with."""

    model: Any
    """The transformers module; None where the decoder alone is needed."""
    decoder: Decoder | None
    form: Form
    merge_error: float | None = None
    """How much of the change the merge has rounded away; None: nothing was merged."""

    def sequence(self) -> Sequence:
        """An empty one."""
        if self.decoder is not None:
            return DecoderSequence(self.decoder)
        return ModuleSequence(self.model)


def base_weights(loaded: LoadedModel) -> Weights:
    model = loaded.model
    with in_own_mappings():
        return Weights(model, decoder_of(model), "base")


def adapted_weights(
    loaded: LoadedModel, base: Weights, adapter: LoraAdapter, merge: Merge, available: Available
) -> Weights:
    """The base with the adapter, merged where `merge`, the memory and the number format allow it.

    Raises AdapterMismatch, and ChangeLost where it must be merged and cannot.
    """
    check_fits(adapter, loaded)
    if merge == "never" or (merge == "auto" and not _has_room(loaded, base, adapter, available)):
        return _unmerged(loaded, base, adapter)
    made = _merged(loaded, base, adapter)
    if made.merge_error is None or made.merge_error <= MOST_MERGE_ERROR:
        return made
    if merge == "always":
        raise ChangeLost(
            f"adapter {adapter.name!r} changes too little for the numbers of {loaded.name}: "
            f"{made.merge_error:.0%} of the change is rounded away when it is merged; set merge "
            'to "auto" or "never" to serve it beside the weights'
        )
    return _unmerged(loaded, base, adapter, made.merge_error)


def _has_room(
    loaded: LoadedModel, base: Weights, adapter: LoraAdapter, available: Available
) -> bool:
    """Whether what is copied and packed for a merge, and read for it, fits into memory."""
    changed = sum(len(b) * a.shape[1] for a, b in adapter.pairs.values())
    needed: Counter[torch.device] = Counter()
    needed[loaded.device] += changed * loaded.dtype.itemsize + RESERVE_BYTES
    if base.decoder is not None:
        touched = [
            product
            for names, product in base.decoder.products().items()
            if not adapter.pairs.keys().isdisjoint(names)
        ]
        needed[loaded.device] += sum(product.size_bytes for product in touched)
    if not loaded.is_exact:
        stored = sum(prod(weight.shape) for weight in loaded.model.parameters())
        needed[torch.device("cpu")] += stored * torch.float32.itemsize
    return all(size <= available(device) for device, size in needed.items())


@torch.inference_mode()
def _merged(loaded: LoadedModel, base: Weights, adapter: LoraAdapter) -> Weights:
    model = merged(loaded, adapter)
    decoder, old = base.decoder, loaded.model
    beside = None if decoder is None else products_beside(decoder, old, adapter)
    if decoder is None or beside is None:
        error = _error(_module_changes(old, model, adapter))
        return Weights(model, decoder_of(model), "merged", error)
    products = {names: product_of(model, names, decoder.rounding) for names in beside}
    error = _error(_product_changes(decoder.products(), products, beside))
    return Weights(None, decoder.with_products(products), "merged", error)


@torch.inference_mode()
def _unmerged(
    loaded: LoadedModel, base: Weights, adapter: LoraAdapter, merge_error: float | None = None
) -> Weights:
    decoder = base.decoder
    beside = None if decoder is None else products_beside(decoder, loaded.model, adapter)
    if decoder is None or beside is None:
        return Weights(module_beside(loaded.model, adapter), None, "unmerged", merge_error)
    return Weights(None, decoder.with_products(beside), "unmerged", merge_error)


def _error(changes: Iterable[Change]) -> float:
    """The larger one of the relative errors for few and for many rows: 0 exact, 1 nothing left."""
    missing, wanted = defaultdict[Rows, float](float), defaultdict[Rows, float](float)
    for rows, found, whole in changes:
        missing[rows] += float((found - whole).square().sum())
        wanted[rows] += float(whole.square().sum())
    return max(sqrt(missing[rows] / wanted[rows]) for rows in wanted)


def _product_changes(
    old: Mapping[Names, Product], new: Mapping[Names, Product], beside: Mapping[Names, LowRank]
) -> Iterator[Change]:
    for names, side in beside.items():
        reads = normalize(side.reads)
        many = reads.repeat(1 + FEW_ROWS // len(reads), 1)
        for x in (*torch.split(reads, FEW_ROWS), many):
            found = new[names](x) - old[names](x)
            rows = "many" if len(x) > FEW_ROWS else "few"
            yield rows, found, side.add_change(torch.zeros_like(found), x)


def _module_changes(old: Any, new: Any, adapter: LoraAdapter) -> Iterator[Change]:
    for name, (a, b) in adapter.pairs.items():
        module = new.get_submodule(name)
        change = module.weight.float() - old.get_submodule(name).weight.float()
        x, up = normalize(a).to(change.device), adapter.scale * b.to(change.device)
        found = linear(x, change.t() if isinstance(module, Conv1D) else change)
        yield "few", found, linear(linear(x, a.to(change.device)), up)
