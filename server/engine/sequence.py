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


class Sequence(Protocol):
    """What decoding needs of a forward pass; ours and transformers' are interchangeable."""

    tokens: list[int]
    """What has been read."""

    def read(self, ids: Ids[int]) -> Tensor:
        """Read `ids`; the logits (vocabulary,) in float32 for the token after them."""
        ...

    def read_each(self, ids: Ids[int]) -> Tensor:
        """Read `ids`; the logits (ids, vocabulary) in float32 after each of them."""
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
        return self._read(ids, 1)[0]

    def read_each(self, ids: Ids[int]) -> Tensor:
        return self._read(ids, len(ids))

    @torch.inference_mode()
    def _read(self, ids: Ids[int], rows: int) -> Tensor:
        """The last `rows` rows of logits."""
        batch = torch.tensor([ids], device=self._model.device)
        options = {"logits_to_keep": rows} if self._can_keep else {}
        answer = self._model(
            input_ids=batch, past_key_values=self._cache, use_cache=True, **options
        )
        self.tokens += ids
        return answer.logits[0, -rows:].float()

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
