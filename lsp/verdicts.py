"""Hears what the server found in suggestions after it had answered, and acts on it.

The protocol has no word for taking ghost text off the screen. So: the cache forgets the suggestion,
the next request does not bring it back, `unsay/takenBack` tells a client that listens, and a
message tells the person who may be looking at it. Text that was taken already gets a diagnostic.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import asdict, dataclass, replace

from lsp import answers
from lsp.answers import Choice, Verdict
from lsp.explanation import Explained
from lsp.session import Session
from lsp.status import LastAction

METHOD = "unsay/takenBack"


@dataclass(frozen=True)
class TakenBack:
    """What a client gets to hide a suggestion; `isShown` is false once it was taken or let go."""

    uri: str
    suggestion: str
    reason: str
    isShown: bool


def expect(session: Session, uri: str, choices: tuple[Choice, ...]) -> None:
    """The server still looks at some of `choices`: listen to what it finds."""
    checking = {one.suggestion: (uri, one) for one in choices if one.is_checking}
    if not checking:
        return
    session.unsettled |= checking
    if not session.is_listening:
        session.is_listening = True
        session.spawn("verdicts", _listen(session))


async def _listen(session: Session) -> None:
    """Until all is settled, or the server goes away: then nothing more will come."""
    try:
        async with aclosing(session.connection.events("/v1/verdicts")) as events:
            async for name, data in events:
                if name == "verdict":
                    settle(session, answers.verdict(data))
                if not session.unsettled:
                    return
    finally:
        session.is_listening = False
        session.unsettled.clear()


def settle(session: Session, verdict: Verdict) -> None:
    """Take over what became of one suggestion."""
    known = session.unsettled.pop(verdict.suggestion, None)
    if known is None or verdict.state in ("clear", "unchecked"):
        return
    uri, choice = known
    is_taken_back = verdict.state == "taken_back"
    action = "taken_back" if is_taken_back else "warned"
    marks = (*choice.marks, *verdict.findings)
    flagged = replace(choice, action=action, reason=verdict.reason, marks=marks)
    if is_taken_back:
        session.cache.drop(verdict.suggestion)
    else:
        session.cache.change(flagged)
    is_shown = session.offers.change(flagged)
    if session.kept.mark(verdict.suggestion, verdict.findings):
        session.publish(uri)
    session.explained = Explained(replace(flagged, findings=verdict.findings), uri)
    reason = verdict.reason or ""
    session.board.acted(LastAction(action, session.explained.rule, reason))
    session.log.write(action, suggestion=verdict.suggestion)
    if is_taken_back:
        note = TakenBack(uri, verdict.suggestion, reason, is_shown)
        session.editor.messages.notify(METHOD, asdict(note))
        if is_shown:
            session.complain(f"Unsay: {reason}")
