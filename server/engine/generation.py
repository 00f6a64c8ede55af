"""One generation in memory: a set of weights, what was read with it, and one decode with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence as Ids
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from server.engine.decode import decode, decode_together, prefill
from server.engine.drafts import Lookahead, NgramDrafts
from server.engine.healing import Beginning
from server.engine.load import LoadedModel
from server.engine.prefix_cache import PrefixCache
from server.engine.prompt import Prompt
from server.engine.protocol import Ask, Completion, EngineState
from server.engine.stop_rules import EditorEnds
from server.engine.text_codec import TextWriter
from server.engine.utterance import Chooser, Decoded, Forbids, Sampling, Utterance
from server.engine.weights import Weights

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


@dataclass(frozen=True)
class Plan:
    """What one completion of a request has to keep to."""

    alternative: int = 0
    bans: tuple[Forbids, ...] = ()
    beginning: Beginning | None = None
    on_text: Callable[[str], None] | None = None


class Generation:
    """Weights under a name. Its prefix cache is its own, so texts never mix generations."""

    def __init__(
        self,
        name: str,
        loaded: LoadedModel,
        digest: str | None,
        weights: Weights,
        read_again: Callable[..., Weights],
    ) -> None:
        self.name = name
        self.digest = digest
        """Of the adapter; None for the base."""
        self._loaded = loaded
        self._read_again = read_again
        self._weights: Future[Weights] | None = Future()
        self._weights.set_result(weights)
        self.cache = PrefixCache(lambda: self.weights.sequence())

    @property
    def weights(self) -> Weights:
        """Raises what went wrong if they could not be read again; never asked for asleep."""
        assert self._weights is not None
        return self._weights.result()

    @property
    def state(self) -> EngineState:
        if self._weights is None:
            return "asleep"
        if not self._weights.done():
            return "waking"
        return "awake" if self._weights.exception() is None else "asleep"

    def sleep(self) -> None:
        """Let the weights go, and what was read with them."""
        self._weights = None
        self.cache.clear()

    def wake(self, reader: Executor, *base: Future[Weights]) -> Future[Weights]:
        """The weights, which `reader` reads again, from those of the `base`, where they are asleep
        or could not be read."""
        if self._weights is None or self.state == "asleep":
            self._weights = reader.submit(self._read_again, *base)
        return self._weights

    def complete(self, request: Request, plans: Ids[Plan], kept: Ids[int] = ()) -> list[Completion]:
        """One completion for each plan, the tokens `kept` of an earlier one at their beginning.

        All together where the model can; none of those behind the first one cancelled.
        """
        done = self._together(request, plans, kept) if len(plans) > 1 else None
        if done is None:
            done = self._one_by_one(request, plans, kept)
        ends = (i for i, one in enumerate(done, 1) if one.finish == "cancelled")
        return done[: next(ends, len(done))]

    def warm(self, request: Request) -> int:
        """Read the prompt, as far as nobody cancels it; how many tokens were read."""
        document, ids = request.ask.document, request.prompt.ids
        sequence = self.cache.take(document, ids)
        before = len(sequence.tokens)
        prefill(sequence, ids, request.cancelled)
        self.cache.keep(document, sequence, is_warmed=True)
        return len(sequence.tokens) - before

    def _one_by_one(self, request: Request, plans: Ids[Plan], kept: Ids[int]) -> list[Completion]:
        done: list[Completion] = []
        for plan in plans:
            done.append(self._alone(request, plan, kept))
            if done[-1].finish == "cancelled":
                break
        return done

    def _alone(self, request: Request, plan: Plan, kept: Ids[int]) -> Completion:
        document, prompt = request.ask.document, request.prompt
        ids = (*prompt.ids, *kept)
        sequence = self.cache.take(document, ids)
        read = len(sequence.tokens)
        # what was taken back of the prefix most likely comes again
        guesses = prompt.taken[len(kept) :] if sequence.can_rewind else ()
        logits = prefill(sequence, ids, request.cancelled, guesses)
        first_token_ms = request.waited_ms
        if logits is None:
            self.cache.keep(document, sequence)
            return self.cancelled(request)
        utterance = self._utterance(request, plan, kept)
        ahead = Lookahead(sequence, NgramDrafts(ids), zip(guesses, logits[1:], strict=True))
        decoded = decode(ahead, logits[0], utterance, request.cancelled)
        self.cache.keep(document, sequence)
        return self._completion(request, decoded, kept, read, first_token_ms)

    def _together(
        self, request: Request, plans: Ids[Plan], kept: Ids[int]
    ) -> list[Completion] | None:
        """None where the model cannot; what was read of the prompt is kept then."""
        ask, prompt = request.ask, request.prompt
        ids = (*prompt.ids, *kept)
        sequence = self.cache.take(ask.document, ids)
        read = len(sequence.tokens)
        logits = prefill(sequence, ids, request.cancelled)
        first_token_ms = request.waited_ms
        room = ask.max_tokens + len(prompt.taken)
        branches = None if logits is None else sequence.branches(len(plans), room)
        self.cache.keep(ask.document, sequence)
        if logits is None:
            return [self.cancelled(request)]
        if branches is None:
            return None
        utterances = [self._utterance(request, plan, kept) for plan in plans]
        done = decode_together(branches, logits[0], utterances, request.cancelled)
        return [self._completion(request, one, kept, read, first_token_ms) for one in done]

    def _completion(
        self, request: Request, decoded: Decoded, kept: Ids[int], read: int, first_token_ms: float
    ) -> Completion:
        prompt_tokens = len(request.prompt.ids)
        return Completion(
            text=decoded.text,
            tokens=(*kept, *decoded.tokens),
            finish=decoded.finish,
            generation=self.name,
            prompt_tokens=prompt_tokens,
            cached_tokens=min(read, prompt_tokens),
            first_token_ms=first_token_ms,
            total_ms=request.waited_ms,
        )

    def _utterance(self, request: Request, plan: Plan, kept: Ids[int]) -> Utterance:
        ask, prompt = request.ask, request.prompt
        typed = self._loaded.codec.texts(prompt.taken)
        writer = TextWriter(self._loaded.codec, prompt.ids, len("".join(typed)))
        for token in kept:
            writer.push(token)
        return Utterance(
            writer,
            max_tokens=ask.max_tokens - sum(end > 0 for end in writer.ends),
            stops=self._loaded.stops,
            ends=EditorEnds(ask.prefix, ask.suffix, ask.stop, ask.stop_rules),
            choose=Chooser(_sampling(ask, plan.alternative), self._loaded.device),
            bans=plan.bans,
            beginning=plan.beginning,
            on_text=plan.on_text,
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
