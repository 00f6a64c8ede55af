"""The engine in this process: one request at a time, generations swapped under it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable
from collections.abc import Sequence as Ids
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from server.engine.banning import bans_for, token_ends, ways_to_say
from server.engine.bans import BanAutomaton, ForbiddenStart
from server.engine.config import EngineConfig
from server.engine.errors import AskInvalid
from server.engine.generation import Generation, Plan, Request, never
from server.engine.healing import Beginning
from server.engine.load import LoadedModel, load_model
from server.engine.prompt import build_prompt
from server.engine.protocol import Ask, Ban, Completion, EngineState, SwapReport
from server.engine.residents import Residents
from store.records import Kind

# How soon a request that waits for its turn notices that it was cancelled.
WAIT_S = 0.005


def open_engine(config: EngineConfig) -> LocalEngine:
    """Load the configured model and serve its base. Raises what `load_model` raises."""
    if config.threads is None:
        # Threads that wait for a busy core cost more than they bring: on two cores shared with
        # other work, two threads were five times slower than one.
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    loaded = load_model(
        config.source,
        config.device,
        config.dtype,
        context_tokens=config.context_tokens,
        digest_cache=config.digest_cache,
    )
    assert loaded.vocabulary  # made now, or the first key would wait for it
    return LocalEngine(loaded, config)


class LocalEngine:
    """Implements protocol.Engine over a loaded model. Any thread may call any method."""

    def __init__(self, loaded: LoadedModel, config: EngineConfig | None = None) -> None:
        if config is not None and config.threads is not None:
            torch.set_num_threads(config.threads)
        self.loaded = loaded
        self._residents = Residents(loaded, "auto" if config is None else config.merge)
        self._bans = BanAutomaton()
        self._turn = threading.Lock()
        """Held by the request that runs."""

    @property
    def model(self) -> str:
        return self.loaded.name

    @property
    def serving(self) -> str:
        return self._residents.serving

    @property
    def generations(self) -> tuple[str, ...]:
        return self._residents.names

    @property
    def state(self) -> EngineState:
        return self._residents.state

    @property
    def last_wake_ms(self) -> float | None:
        return self._residents.last_wake_ms

    @property
    def wake_failure(self) -> str | None:
        return self._residents.wake_failure

    def complete(
        self,
        ask: Ask,
        *,
        cancelled: Callable[[], bool] = never,
        on_text: Callable[[int, str], None] | None = None,
    ) -> list[Completion]:
        """See protocol.Engine; fewer than `ask.n` if cancelled.

        Raises AskInvalid, NoFim, GenerationGone and EngineClosed.
        """
        generation, request = self._request(ask, ask.generation, cancelled)
        with self._my_turn(generation, cancelled) as is_mine:
            if not is_mine:
                return [generation.cancelled(request)]
            shows = [None if on_text is None else partial(on_text, i) for i in range(ask.n)]
            plans = [
                replace(self._plan(request), alternative=i, on_text=show)
                for i, show in enumerate(shows)
            ]
            return generation.complete(request, plans)

    def warm(self, ask: Ask, *, cancelled: Callable[[], bool] = never) -> int:
        """See protocol.Engine. Raises what `complete` raises."""
        generation, request = self._request(ask, ask.generation, cancelled)
        with self._my_turn(generation, cancelled) as is_mine:
            return generation.warm(request) if is_mine else 0

    def complete_differently(
        self,
        ask: Ask,
        completion: Completion,
        offset: int,
        *,
        cancelled: Callable[[], bool] = never,
    ) -> Completion | None:
        """See protocol.Engine. None if nothing else can be said there, or if cancelled."""
        generation, request = self._request(ask, completion.generation, cancelled)
        codec, prompt = self.loaded.codec, request.prompt
        typed = "".join(codec.texts(prompt.taken))
        text, offset = typed + completion.text, len(typed) + offset
        ends = token_ends(codec, completion.tokens, prompt.ids)
        at = next((i for i, end in enumerate(ends) if end > offset), None)
        if at is None:
            return None
        kept = completion.tokens[:at]
        begin = ends[at - 1] if at else 0
        same = ways_to_say(codec, text, completion.tokens[at], begin, offset)
        with self._my_turn(generation, cancelled) as is_mine:
            if not is_mine:
                return None
            avoided = frozenset(same)
            if completion.avoided is not None and completion.avoided[0] == at:
                avoided |= completion.avoided[1]
            plan = self._plan(request, kept)
            plan = replace(plan, bans=(*plan.bans, ForbiddenStart(avoided)))
            [again] = generation.complete(request, [plan], kept)
        return replace(again, avoided=(at, avoided)) if len(again.tokens) > at else None

    def set_bans(self, bans: Iterable[Ban]) -> None:
        self._bans = BanAutomaton(bans)

    def bans_for(
        self,
        prefix: str,
        suffix: str,
        target: str,
        start: int,
        end: int,
        kind: Kind = "user",
        replacement: str | None = None,
    ) -> list[Ban]:
        return bans_for(self.loaded, prefix, target, start, end, kind, replacement)

    def swap(self, name: str, adapter: Path | None) -> SwapReport:
        """See protocol.Engine; what sleeps is woken for it.

        Raises AdapterCorrupt, AdapterMismatch, ChangeLost and EngineClosed.
        """
        return self._residents.swap(name, adapter)

    def sleep(self) -> bool:
        """See protocol.Engine."""
        return self._residents.sleep(self._turn)

    def close(self) -> None:
        """Let the running request end, refuse all later ones and let the weights go."""
        self._residents.close(self._turn)

    def _request(
        self, ask: Ask, name: str | None, cancelled: Callable[[], bool]
    ) -> tuple[Generation, Request]:
        _check(ask)
        generation = self._residents.find(name)
        prompt = build_prompt(self.loaded, ask.prefix, ask.suffix, ask.max_tokens, heals=ask.heals)
        return generation, Request(ask, prompt, cancelled)

    def _plan(self, request: Request, kept: Ids[int] = ()) -> Plan:
        """What the next completion has to keep to once it has said `kept`."""
        prompt = request.prompt
        automaton = self._bans if request.ask.bans else BanAutomaton()
        beginning = None
        if prompt.taken:
            behind = automaton.follow((*prompt.context, *prompt.taken)).forbidden()
            typed = "".join(self.loaded.codec.texts(prompt.taken))
            beginning = Beginning(self.loaded.vocabulary, typed, behind)
            for token in kept:
                beginning.advance(token)
        return Plan(bans=(automaton.follow((*prompt.context, *kept)),), beginning=beginning)

    @contextmanager
    def _my_turn(self, generation: Generation, cancelled: Callable[[], bool]) -> Generator[bool]:
        """Wait for the generation's weights and for the running request to end; False if cancelled
        before that."""
        is_mine = self._takes_turn(generation, cancelled)
        try:
            yield is_mine
        finally:
            if is_mine:
                self._turn.release()

    def _takes_turn(self, generation: Generation, cancelled: Callable[[], bool]) -> bool:
        while True:
            weights = self._residents.wake(generation)
            while not weights.done():
                if cancelled():
                    return False
                wait([weights], WAIT_S)
            weights.result()  # raises what went wrong
            while not self._turn.acquire(timeout=WAIT_S):
                if cancelled():
                    return False
            if generation.state == "awake":
                return True
            self._turn.release()  # it fell asleep again meanwhile


def _check(ask: Ask) -> None:
    wrong = [
        ("max_tokens", ask.max_tokens, "1 or more", ask.max_tokens >= 1),
        ("n", ask.n, "1 or more", ask.n >= 1),
        ("temperature", ask.temperature, "0 or more", 0 <= ask.temperature < float("inf")),
        ("top_p", ask.top_p, "more than 0 and at most 1", 0 < ask.top_p <= 1),
    ]
    for name, value, wanted, is_right in wrong:
        if not is_right:
            raise AskInvalid(f"{name} is {value}; give {wanted}")
