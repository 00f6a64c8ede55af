"""The tokens a model has read with their keys and values: read more, go back, read on."""

from __future__ import annotations

import inspect
from collections.abc import Sequence as Ids
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

GROWTH_TOKENS = 256


class Branches(Protocol):
    """Several ways on from one text, which stays as it is while they are read."""

    def read(self, tokens: Ids[int]) -> Tensor:
        """Read one more token of each branch; the logits (branches, vocabulary) after them."""
        ...

    def keep(self, which: Ids[int]) -> None:
        """Go on with the branches at these places only, in this order."""
        ...


class Sequence(Protocol):
    """What decoding needs of a forward pass; ours and transformers' are interchangeable."""

    tokens: list[int]
    """What has been read."""

    def read(self, ids: Ids[int]) -> Tensor:
        """Read `ids`; the logits (vocabulary,) in float32 for the token after them."""
        ...

    def read_last(self, ids: Ids[int], rows: int) -> Tensor:
        """Read `ids`; the logits (rows, vocabulary) in float32 after each of the last `rows`."""
        ...

    def branches(self, count: int, room: int) -> Branches | None:
        """`count` ways on of at most `room` tokens each; None where the model cannot."""
        ...

    @property
    def can_rewind(self) -> bool: ...

    def rewind(self, length: int) -> bool:
        """Forget all but the first `length` tokens; False where the model cannot."""
        ...

    @property
    def size_bytes(self) -> int: ...


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer in a buffer with room to grow: no copy per token."""

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._buffers: tuple[Tensor, Tensor] | None = None
        self._length = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        start, end = self._length, self._length + key_states.shape[-2]
        if self._buffers is None or end > self._buffers[0].shape[-2]:
            self._buffers = (self._grown(0, key_states, end), self._grown(1, value_states, end))
        keys, values = self._buffers
        keys[:, :, start:end] = key_states
        values[:, :, start:end] = value_states
        self.is_initialized = True
        self._length = end
        return keys[:, :, :end], values[:, :, :end]

    def get_seq_length(self) -> int:
        return self._length

    def rewind(self, length: int) -> None:
        self._length = length

    def repeated(self, count: int, room: int) -> RoomyLayer:
        """A copy for `count` branches, with room for `room` tokens more."""
        assert self._buffers is not None
        made, end = RoomyLayer(), self._length + room
        first, second = (self._grown(i, buffer, end) for i, buffer in enumerate(self._buffers))
        made._buffers = (first.repeat(count, 1, 1, 1), second.repeat(count, 1, 1, 1))
        made._length, made.is_initialized = self._length, True
        return made

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows of the batch only."""
        assert self._buffers is not None
        first, second = self._buffers
        self._buffers = (first[rows], second[rows])

    @property
    def size_bytes(self) -> int:
        return 0 if self._buffers is None else sum(b.nbytes for b in self._buffers)

    def _grown(self, which: int, states: Tensor, end: int) -> Tensor:
        batch, heads, _, width = states.shape
        room = -(-end // GROWTH_TOKENS) * GROWTH_TOKENS
        grown = states.new_empty(batch, heads, room, width)
        if self._buffers is not None:
            grown[:, :, : self._length] = self._buffers[which][:, :, : self._length]
        return grown


class ModuleSequence:
    """A sequence over a transformers module."""

    def __init__(self, model: Any) -> None:
        self.tokens: list[int] = []
        self._model = model
        self._cache: Any = DynamicCache(config=model.config)
        self._layers: list[RoomyLayer] = []
        """Empty for models with sliding windows or recurrent states: those cannot go back."""
        if all(type(layer) is DynamicLayer for layer in self._cache.layers):
            self._layers = [RoomyLayer() for _ in self._cache.layers]
            self._cache.layers = self._layers
        self._can_keep = "logits_to_keep" in inspect.signature(model.forward).parameters

    def read(self, ids: Ids[int]) -> Tensor:
        return self.read_last(ids, 1)[0]

    @torch.inference_mode()
    def read_last(self, ids: Ids[int], rows: int) -> Tensor:
        batch = torch.tensor([ids], device=self._model.device)
        options = {"logits_to_keep": rows} if self._can_keep else {}
        answer = self._model(
            input_ids=batch, past_key_values=self._cache, use_cache=True, **options
        )
        self.tokens += ids
        return answer.logits[0, -rows:].float()

    def branches(self, count: int, room: int) -> ModuleBranches | None:
        if not self._layers:
            return None
        return ModuleBranches(self._model, [one.repeated(count, room) for one in self._layers])

    @property
    def can_rewind(self) -> bool:
        return bool(self._layers)

    def rewind(self, length: int) -> bool:
        if length == len(self.tokens):
            return True
        if not self._layers:
            return False
        for layer in self._layers:
            layer.rewind(length)
        del self.tokens[length:]
        return True

    @property
    def size_bytes(self) -> int:
        return sum(layer.size_bytes for layer in self._layers)


class ModuleBranches:
    """Branches over a transformers module: the text's keys and values once for each."""

    def __init__(self, model: Any, layers: list[RoomyLayer]) -> None:
        self._model = model
        self._layers = layers
        self._cache: Any = DynamicCache(config=model.config)
        self._cache.layers = layers

    @torch.inference_mode()
    def read(self, tokens: Ids[int]) -> Tensor:
        batch = torch.tensor([[token] for token in tokens], device=self._model.device)
        answer = self._model(input_ids=batch, past_key_values=self._cache, use_cache=True)
        return answer.logits[:, -1].float()

    def keep(self, which: Ids[int]) -> None:
        rows = torch.tensor(which, dtype=torch.long, device=self._model.device)
        for layer in self._layers:
            layer.keep(rows)
