"""Everybody reads the same ids and goes on greedily for as many tokens; nobody writes text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, Protocol

import torch
from transformers import DynamicCache

from benchmarks.engine.prompts import NEW_TOKENS, Place
from server.engine.decoder import Decoder
from server.engine.decoder_sequence import DecoderSequence
from server.engine.drafts import Lookahead, NgramDrafts

Drafts = Literal["none", "own", "file"]
DRAFTS: dict[Drafts, str] = {
    "none": "unsay",
    "own": "unsay, drafts of its own text",
    "file": "unsay, drafts of the file's text",
}
"""The last says the file's own next tokens, as a model would that knows it by heart."""


class Contender(Protocol):
    """One way to run the model."""

    name: str

    def next_token(self, ids: Sequence[int]) -> int:
        """The most probable token after `ids`."""
        ...

    def prefill(self, ids: Sequence[int]) -> float:
        """Milliseconds until the first token after `ids`, none of them known."""
        ...

    def typing(self, place: Place) -> tuple[float, float]:
        """Milliseconds until the first and until the last of NEW_TOKENS tokens, once `place.read`
        is known and `place.typed` is new."""
        ...


class Ours:
    """The engine's own forward."""

    def __init__(self, decoder: Decoder, drafts: Drafts = "none") -> None:
        self.name = DRAFTS[drafts]
        self._decoder = decoder
        self._drafts = drafts

    def next_token(self, ids: Sequence[int]) -> int:
        return _best(DecoderSequence(self._decoder).read(ids))

    def prefill(self, ids: Sequence[int]) -> float:
        began = time.perf_counter()
        self.next_token(ids)
        return _since(began)

    def typing(self, place: Place) -> tuple[float, float]:
        sequence = _known(self._decoder, place.read)
        sequence.rewind(len(place.read))
        began = time.perf_counter()
        token = _best(sequence.read(place.typed))
        first = _since(began)
        ids = (*place.read, *place.typed)
        ahead = Lookahead(sequence, None if self._drafts == "none" else NgramDrafts(ids))
        for follows in place.follows[: NEW_TOKENS - 1]:
            token = _best(ahead.after(follows if self._drafts == "file" else token))
        return first, _since(began)


class Generate:
    """transformers' `generate`, which keeps nothing from one request to the next."""

    def __init__(self, model: Any, dtype: str) -> None:
        self.name = f"transformers generate, {dtype}"
        self._model = model

    @torch.inference_mode()
    def next_token(self, ids: Sequence[int]) -> int:
        return _best(self._model(input_ids=torch.tensor([ids])).logits[0, -1])

    def prefill(self, ids: Sequence[int]) -> float:
        return self._run(ids, 1)

    def typing(self, place: Place) -> tuple[float, float]:
        whole = self._run((*place.read, *place.typed), NEW_TOKENS)
        return whole, whole

    @torch.inference_mode()
    def _run(self, ids: Sequence[int], tokens: int) -> float:
        rows = torch.tensor([ids])
        began = time.perf_counter()
        self._model.generate(
            rows,
            attention_mask=torch.ones_like(rows),
            do_sample=False,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
        )
        return _since(began)


class CachedLoop:
    """transformers' module with a cache that is kept between requests."""

    def __init__(self, model: Any, dtype: str) -> None:
        self.name = f"transformers cached loop, {dtype}"
        self._model = model

    def next_token(self, ids: Sequence[int]) -> int:
        return self._read(DynamicCache(config=self._model.config), ids)

    def prefill(self, ids: Sequence[int]) -> float:
        began = time.perf_counter()
        self.next_token(ids)
        return _since(began)

    def typing(self, place: Place) -> tuple[float, float]:
        cache = DynamicCache(config=self._model.config)
        self._read(cache, place.read)
        began = time.perf_counter()
        token = self._read(cache, place.typed)
        first = _since(began)
        for _ in range(NEW_TOKENS - 1):
            token = self._read(cache, [token])
        return first, _since(began)

    @torch.inference_mode()
    def _read(self, cache: Any, ids: Sequence[int]) -> int:
        found = self._model(
            input_ids=torch.tensor([ids]), past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        return _best(found.logits[0, -1])


@lru_cache(maxsize=1)
def _known(decoder: Decoder, ids: tuple[int, ...]) -> DecoderSequence:
    """Read once for all that start from there."""
    sequence = DecoderSequence(decoder)
    sequence.read(ids)
    return sequence


def _best(logits: Any) -> int:
    return int(logits.argmax())


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
