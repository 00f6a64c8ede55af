"""The life of a suggestion: decode, review, answer, and write down afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from server.background import BackgroundChecks
from server.completion_wire import Answer, Asked, Choice, Flagged, case_of
from server.config import ServerConfig
from server.engine.errors import GenerationGone
from server.engine.protocol import Ask, Completion, Engine
from server.errors import Stopping
from server.guard.allow_list import AllowList
from server.guard.errors import DetectorFailed
from server.guard.finding import Redecode, Review
from server.guard.guard import Guard
from server.metrics import Metrics
from server.recording import Late, Recording, record, record_late
from server.store_thread import StoreThread
from server.turns import Turn, Turns
from server.watcher import LedgerWatch
from store.database import Database
from store.stamp import new_id

T = TypeVar("T")

OnText = Callable[[int, str], None]
GRACE_S = 0.05
"""For a decode to notice that its deadline has passed: it looks between two tokens."""


@dataclass(frozen=True)
class Rooms:
    """What a completer works with."""

    engine: Engine
    guard: Guard
    watch: LedgerWatch
    store: StoreThread
    metrics: Metrics


class Completer:
    """Answers completion requests.

    The engine has a thread of its own, so that the next request decodes while the last one is
    reviewed; the guard has two, as a review may itself wait for the engine.
    """

    def __init__(self, rooms: Rooms, config: ServerConfig) -> None:
        self._rooms = rooms
        self._config = config
        self._turns = Turns(config.deadline_ms, config.max_waiting)
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="unsay-engine")
        self._reviewing = ThreadPoolExecutor(2, thread_name_prefix="unsay-guard")
        self.background = BackgroundChecks(
            rooms.guard, rooms.metrics, self._remember_late, config.quiet_ms
        )
        self._is_closed = False
        self.last_asked = time.monotonic()
        """When somebody last wanted something, for the nightly refresh and the model's sleep."""

    @property
    def engine(self) -> Engine:
        return self._rooms.engine

    def guard_status(self) -> Mapping[str, str]:
        """Each detector of the guard with `ok`, or a sentence on what it still lacks."""
        return self._rooms.guard.status()

    @property
    def allowed(self) -> AllowList:
        """What a person lets pass."""
        return self._rooms.guard.allowed

    async def complete(self, asked: Asked, on_text: OnText | None = None) -> Answer:
        """The reviewed suggestions; `on_text` gets the model's words unreviewed, in its thread.

        Whoever calls has to `remember` the answer as it was given.
        """
        if self._is_closed:
            raise Stopping("the server is stopping: start it again")
        begun, self.last_asked = time.perf_counter(), time.monotonic()
        with self._turns.take(asked.ask.document) as turn:
            self._rooms.metrics.waiting(self._turns.waiting)
            try:
                choices, prompt_tokens = await self._choices(asked, turn, on_text)
            finally:
                self._rooms.metrics.waiting(self._turns.waiting - 1)
        return Answer(
            id=f"cmpl-{new_id()}",
            created=int(time.time()),
            model=self._rooms.engine.model,
            choices=choices,
            prompt_tokens=prompt_tokens,
            took_ms=(time.perf_counter() - begun) * 1000,
        )

    async def warm(self, asked: Asked) -> int:
        """Read ahead what a request like `asked` would have to read; how many tokens that was.

        Whoever wants a suggestion goes first: a read that is under way ends within one chunk.
        """
        if self._is_closed:
            raise Stopping("the server is stopping: start it again")
        self.last_asked = time.monotonic()

        def work() -> int:
            return self._rooms.engine.warm(asked.ask, cancelled=turn.is_over) if turn else 0

        with self._turns.spare(asked.ask.document) as turn:
            return await asyncio.get_running_loop().run_in_executor(self._decoding, work)

    async def is_clear(self, asked: Asked, text: str) -> bool:
        """Whether the guard has nothing against the beginning of a suggestion."""
        try:
            return not await self._review_thread(self._rooms.guard.check, case_of(asked, text))
        except DetectorFailed:
            return False  # the review of the whole says so to the user

    def remember(self, asked: Asked, answer: Answer) -> None:
        """Write down what was answered; returns at once, and is done before the next request."""
        self._rooms.metrics.completed(answer)
        if any(choice.finish == "cancelled" for choice in answer.choices):
            self._rooms.metrics.cancelled()
        recording = Recording(asked, answer, self._config.ledger_kinds)
        self._rooms.store.later(self._record, recording)
        self.background.follow(asked, answer)

    def _remember_late(self, late: Late) -> None:
        self._rooms.store.later(self._record_late, late)

    def _record_late(self, db: Database, late: Late) -> None:
        watch = self._rooms.watch
        watch.note(db, record_late(db, late, self._config.ledger_kinds, watch))
        watch.follow(db)

    def _record(self, db: Database, recording: Recording) -> None:
        watch = self._rooms.watch
        watch.note(db, record(db, recording, watch))
        watch.follow(db)  # now, so that the next request need not

    async def follow_ledger(self) -> None:
        """Ban what the ledger says; done before each request anyway."""
        store, watch = self._rooms.store, self._rooms.watch
        changes = store.changes_if_idle()
        if changes is None or not watch.is_current(changes):
            await store.call(watch.follow)

    async def sleep_if_idle(self) -> None:
        """Give the model's memory back once nobody has worked with it for long enough."""
        idle_minutes = (time.monotonic() - self.last_asked) / 60
        if 0 < self._config.idle_unload_minutes <= idle_minutes and self.engine.state == "awake":
            await asyncio.get_running_loop().run_in_executor(self._decoding, self.engine.sleep)

    def stop(self) -> None:
        """Take no more requests and end those under way."""
        self._is_closed = True
        self._turns.end_all()
        self.background.stop()

    def close(self) -> None:
        """Wait for the threads, then let go of the model and the guard; blocks."""
        self.stop()
        self._decoding.shutdown(wait=True, cancel_futures=True)
        self._reviewing.shutdown(wait=True, cancel_futures=True)
        self.background.close()
        self._rooms.guard.close()
        self._rooms.engine.close()

    async def _choices(
        self, asked: Asked, turn: Turn, on_text: OnText | None
    ) -> tuple[tuple[Choice, ...], int]:
        await self.follow_ledger()
        completions = await self._decode(asked.ask, turn, on_text)
        choices = [
            await self._choice(asked, turn, index, completion)
            for index, completion in enumerate(completions)
        ]
        return tuple(choices), max((one.prompt_tokens for one in completions), default=0)

    async def _decode(self, ask: Ask, turn: Turn, on_text: OnText | None) -> list[Completion]:
        def work() -> list[Completion]:
            return self._rooms.engine.complete(ask, cancelled=turn.is_over, on_text=on_text)

        return await asyncio.get_running_loop().run_in_executor(self._decoding, work)

    async def _choice(self, asked: Asked, turn: Turn, index: int, completion: Completion) -> Choice:
        if turn.is_over() or completion.finish == "cancelled":
            return _empty(index, completion, turn.why())
        again = OtherWays(self._rooms.engine, self._decoding, asked.ask, completion, turn)
        review = await self._review(asked, completion.text, again)
        if turn.is_over():
            return _empty(index, completion, turn.why())
        return Choice(
            index=index,
            text=review.text,
            proposed=completion.text,
            finish="content_filter" if review.action == "blocked" else completion.finish,
            suggestion=new_id(),
            generation=completion.generation,
            action=review.action,
            reason=review.reason,
            findings=tuple(Flagged(new_id(), finding) for finding in review.findings),
            marks=review.marks,
            deferred=review.deferred,
            tokens=len(completion.tokens),
            first_token_ms=completion.first_token_ms,
        )

    async def _review(self, asked: Asked, text: str, again: Redecode) -> Review:
        if not asked.is_allowed:
            return await self._review_thread(self._rooms.guard.review, case_of(asked, text), again)
        try:
            found = tuple(await self._review_thread(self._rooms.guard.check, case_of(asked, text)))
        except DetectorFailed:
            found = ()  # a person asked to see it in any case
        if not found:
            return Review(text, None, (), None)
        return Review(
            text, "warned", found, f"Shown because you allowed it. {found[0].message}", found
        )

    async def _review_thread(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reviewing, work, *args)


class OtherWays:
    """Decodes one completion again with a token forbidden; called in the guard's thread."""

    def __init__(
        self,
        engine: Engine,
        decoding: ThreadPoolExecutor,
        ask: Ask,
        completion: Completion,
        turn: Turn,
    ) -> None:
        self._engine = engine
        self._decoding = decoding
        # the serving generation may change meanwhile; a suggestion comes from one alone
        self._ask = replace(ask, generation=completion.generation)
        self._turn = turn
        self._made = {completion.text: completion}

    def __call__(self, text: str, offset: int, deadline: float) -> str | None:
        """The new text, or None: no other way, no time, or a text that the engine never said."""
        known = self._made.get(text)
        if known is None or self._turn.is_over():
            return None

        def is_over() -> bool:
            return self._turn.is_over() or time.monotonic() > deadline

        # a decode for another request may be before us: `is_over` ends the wait for it too
        work = self._decoding.submit(self._decode, known, offset, is_over)
        try:
            other = work.result(timeout=max(0.0, deadline - time.monotonic()) + GRACE_S)
        except (GenerationGone, TimeoutError, CancelledError):
            work.cancel()
            return None
        if other is None or other.finish == "cancelled":
            return None
        self._made[other.text] = other
        return other.text

    def _decode(
        self, known: Completion, offset: int, is_over: Callable[[], bool]
    ) -> Completion | None:
        if is_over():
            return None
        return self._engine.complete_differently(self._ask, known, offset, cancelled=is_over)


def _empty(index: int, completion: Completion, reason: str) -> Choice:
    """No suggestion, because nobody waits for it any more."""
    return Choice(
        index=index,
        text="",
        proposed="",
        finish="cancelled",
        suggestion=new_id(),
        generation=completion.generation,
        action=None,
        reason=reason,
        findings=(),
        marks=(),
        tokens=len(completion.tokens),
        first_token_ms=completion.first_token_ms,
    )
