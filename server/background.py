"""Looks at suggestions again, after the answer, with the detectors that did not fit before it.

Only what a person may still use is worth the work: a suggestion is looked at once nobody has asked
about its document for a moment, or as soon as it is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from server.completion_wire import Answer, Asked, Choice, Flagged, case_of
from server.guard.finding import Review
from server.guard.guard import Guard
from server.metrics import Metrics
from server.recording import Late
from server.unexpected import log_unexpected
from server.verdicts import State, Verdict, Verdicts
from store.stamp import new_id

KEPT_S = 30.0
"""For how long a suggestion that was superseded may still be taken."""
KEPT_PER_DOCUMENT = 6
MOST_WAITING = 64


@dataclass
class _Waiting:
    """An answered suggestion that has not been seen by every detector."""

    asked: Asked
    answer: Answer
    choice: Choice
    is_superseded: bool = False
    is_taken: bool = False
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    """It was taken, or there is no room for it any more."""


class BackgroundChecks:
    """One at a time, in a thread of their own. All methods belong to the event loop."""

    def __init__(
        self, guard: Guard, metrics: Metrics, record: Callable[[Late], None], quiet_ms: float
    ) -> None:
        self.verdicts = Verdicts()
        self._guard = guard
        self._metrics = metrics
        self._record = record
        self._quiet_s = quiet_ms / 1000
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="unsay-background")
        self._waiting: dict[str, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, asked: Asked, answer: Answer) -> None:
        """Look at what of `answer` is not checked yet, when its time comes."""
        self._supersede(asked.ask.document)
        for choice in answer.choices:
            if not choice.is_checking:
                continue
            if len(self._waiting) >= MOST_WAITING:
                self._say(choice.suggestion, "unchecked")
                continue
            waiting = self._waiting[choice.suggestion] = _Waiting(asked, answer, choice)
            task = asyncio.create_task(self._look(waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._metrics.in_background(len(self._waiting))

    def taken(self, suggestion: str) -> None:
        """A person has put this one into the text: look at it now."""
        if waiting := self._waiting.get(suggestion):
            waiting.is_taken = True
            waiting.decided.set()

    def status(self) -> dict[str, int]:
        """How many wait, and how many ended how since the start."""
        states: tuple[State, ...] = ("clear", "warned", "taken_back", "unchecked")
        counts = self.verdicts.counts
        return {"waiting": len(self._waiting), **{state: counts[state] for state in states}}

    def stop(self) -> None:
        """Look at nothing more and let the listeners go."""
        for task in self._tasks:
            task.cancel()
        self.verdicts.wake()

    def close(self) -> None:
        """Wait for the look under way; blocks."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _supersede(self, document: str) -> None:
        """A newer answer for `document` is there; the last few before it may still be taken."""
        if not document:
            return
        older = [one for one in self._waiting.values() if one.asked.ask.document == document]
        for number, one in enumerate(reversed(older)):
            one.is_superseded = True
            if number >= KEPT_PER_DOCUMENT:
                one.decided.set()

    async def _look(self, waiting: _Waiting) -> None:
        id = waiting.choice.suggestion
        try:
            if not await self._is_worth_it(waiting):
                self._say(id, "unchecked")
                return
            review = await asyncio.get_running_loop().run_in_executor(
                self._thread,
                self._guard.review_later,
                case_of(waiting.asked, waiting.choice.text),
                waiting.choice.deferred,
            )
            self._settle(waiting, review)
        except Exception as error:  # the edge: a task has nobody above it
            reference = log_unexpected(error)
            self._say(id, "unchecked", f"The check failed; see {reference} in the server's log.")
        finally:
            self._waiting.pop(id, None)
            self._metrics.in_background(len(self._waiting))

    async def _is_worth_it(self, waiting: _Waiting) -> bool:
        """Waits until it is quiet or taken; False for one that was superseded and never taken."""
        if await _happens(waiting.decided, self._quiet_s):
            return waiting.is_taken
        if waiting.is_superseded:
            await _happens(waiting.decided, KEPT_S)
            return waiting.is_taken
        return True

    def _settle(self, waiting: _Waiting, review: Review) -> None:
        choice = waiting.choice
        found = tuple(Flagged(new_id(), finding) for finding in review.findings)
        if review.action is None:
            self._say(choice.suggestion, "clear")
            return
        self._record(Late(waiting.asked, waiting.answer, choice, found, review.action))
        state = "taken_back" if review.action == "blocked" else "warned"
        self._say(choice.suggestion, state, review.reason, found)

    def _say(
        self,
        suggestion: str,
        state: State,
        reason: str | None = None,
        findings: tuple[Flagged, ...] = (),
    ) -> None:
        verdict = Verdict(suggestion, state, reason, findings)
        self._metrics.looked_again(verdict)
        self.verdicts.add(verdict)


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
