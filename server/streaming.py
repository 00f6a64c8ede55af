"""A completion piece by piece, each piece only once the guard has nothing against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from server.completer import Completer
from server.completion_wire import Answer, Asked, Choice

CUT = "The rest was not cleared by the guard, and what came before it had been sent already."


@dataclass(frozen=True)
class Piece:
    """Cleared text of one choice."""

    index: int
    text: str


@dataclass
class _Held:
    """What the model has said of one choice and how much of it has been cleared."""

    said: str = ""
    sent: int = 0
    is_clear: bool = True

    def whole_lines(self) -> str:
        """What may be checked: a line that is still being written can become anything."""
        return self.said[: self.said.rfind("\n") + 1]


async def stream(completer: Completer, asked: Asked) -> AsyncGenerator[Piece | Answer]:
    """Cleared pieces line by line, and the answer at last.

    A line leaves when everything up to it, checked in its place, has no finding; from the first
    finding on, all is held until the whole has been reviewed and repaired. Where a repair reaches
    back into what was sent, nothing more follows and the choice says so.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue()

    def put(said: tuple[int, str] | None) -> None:
        queue.put_nowait(said)

    def on_text(index: int, text: str) -> None:
        loop.call_soon_threadsafe(put, (index, text))

    work = asyncio.create_task(completer.complete(asked, on_text))
    work.add_done_callback(lambda _: put(None))
    held: dict[int, _Held] = {}
    try:
        while (said := await queue.get()) is not None:
            index, text = said
            one = held.setdefault(index, _Held())
            one.said += text
            if piece := await _cleared(completer, asked, one):
                yield Piece(index, piece)
        answer = await work
        choices: list[Choice] = []
        for choice in answer.choices:
            one = held.get(choice.index, _Held())
            rest, shown = _rest(choice, one.said[: one.sent])
            if rest:
                yield Piece(choice.index, rest)
            choices.append(shown)
        answer = replace(answer, choices=tuple(choices))
        completer.remember(asked, answer)
        yield answer
    finally:
        work.cancel()


async def _cleared(completer: Completer, asked: Asked, held: _Held) -> str:
    lines = held.whole_lines()
    if not held.is_clear or len(lines) == held.sent:
        return ""
    if not await completer.is_clear(asked, lines):
        held.is_clear = False
        return ""
    piece, held.sent = lines[held.sent :], len(lines)
    return piece


def _rest(choice: Choice, sent: str) -> tuple[str, Choice]:
    """What of the reviewed text is still to be sent, and the choice as the client has it."""
    if choice.text.startswith(sent):
        return choice.text[len(sent) :], choice
    if choice.finish == "cancelled":
        return "", replace(choice, text=sent)
    reason = f"{choice.reason} {CUT}" if choice.reason else CUT
    return "", replace(
        choice, text=sent, action="blocked", reason=reason, marks=(), finish="content_filter"
    )
