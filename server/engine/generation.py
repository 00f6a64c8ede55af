"""One generation in memory: a set of weights, what was read with it, and one decode with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Ids
from dataclasses import dataclass, field
from typing import Any

from server.engine.decode import Forbids, Sampling, decode, prefill
from server.engine.decoder import decoder_of
from server.engine.decoder_sequence import DecoderSequence
from server.engine.drafts import NgramDrafts
from server.engine.load import LoadedModel
from server.engine.prefix_cache import PrefixCache
from server.engine.prompt import Prompt
from server.engine.protocol import Ask, Completion
from server.engine.sequence import ModuleSequence
from server.engine.stop_rules import EditorEnds
from server.engine.text_codec import TextWriter

# Greedy alternatives would all be the same; a little heat makes them differ.
ALTERNATIVE_TEMPERATURE = 0.8
ALTERNATIVE_TOP_P = 0.95


def never() -> bool:
    """The cancel flag of a request that nobody cancels."""
    return False


@dataclass(frozen=True)
class Request:
    """An ask on its way through the engine."""

    ask: Ask
    prompt: Prompt
    cancelled: Callable[[], bool] = never
    started: float = field(default_factory=time.perf_counter)

    @property
    def waited_ms(self) -> float:
        """Since the request came."""
        return (time.perf_counter() - self.started) * 1000


class Generation:
    """Weights under a name. Its prefix cache is its own, so texts never mix generations."""

    def __init__(self, name: str, loaded: LoadedModel, model: Any, digest: str | None) -> None:
        self.name = name
        self.digest = digest
        """Of the adapter; None for the base."""
        self._loaded = loaded
        decoder = decoder_of(model)
        self.cache = PrefixCache(
            lambda: ModuleSequence(model) if decoder is None else DecoderSequence(decoder)
        )

    def complete(
        self,
        request: Request,
        alternative: int,
        bans: Iterable[Forbids],
        on_text: Callable[[str], None] | None = None,
        kept: Ids[int] = (),
    ) -> Completion:
        """One completion, the tokens `kept` of an earlier one at its beginning."""
        ask, prompt = request.ask, request.prompt
        ids = (*prompt.ids, *kept)
        sequence = self.cache.take(ask.document, ids)
        cached = min(len(sequence.tokens), len(prompt.ids))
        logits = prefill(sequence, ids, request.cancelled)
        first_token_ms = request.waited_ms
        if logits is None:
            self.cache.keep(ask.document, sequence)
            return self.cancelled(request)
        writer = TextWriter(self._loaded.codec, prompt.ids)
        for token in kept:
            writer.push(token)
        decoded = decode(
            sequence,
            logits,
            writer=writer,
            max_tokens=ask.max_tokens - len(kept),
            stops=self._loaded.stops,
            ends=EditorEnds(ask.prefix, ask.suffix, ask.stop, ask.stop_rules),
            sampling=_sampling(ask, alternative),
            bans=bans,
            drafts=NgramDrafts(ids),
            cancelled=request.cancelled,
            on_text=on_text,
        )
        self.cache.keep(ask.document, sequence)
        return Completion(
            text=decoded.text,
            tokens=(*kept, *decoded.tokens),
            finish=decoded.finish,
            generation=self.name,
            prompt_tokens=len(prompt.ids),
            cached_tokens=cached,
            first_token_ms=first_token_ms,
            total_ms=request.waited_ms,
        )

    def cancelled(self, request: Request) -> Completion:
        """What a request gets that was cancelled before its first token."""
        waited_ms = request.waited_ms
        return Completion(
            text="",
            tokens=(),
            finish="cancelled",
            generation=self.name,
            prompt_tokens=len(request.prompt.ids),
            cached_tokens=0,
            first_token_ms=waited_ms,
            total_ms=waited_ms,
        )


def _sampling(ask: Ask, alternative: int) -> Sampling:
    seed = None if ask.seed is None else ask.seed + alternative
    if alternative > 0 and ask.temperature == 0:
        return Sampling(ALTERNATIVE_TEMPERATURE, ALTERNATIVE_TOP_P, seed)
    return Sampling(ask.temperature, ask.top_p, seed)
