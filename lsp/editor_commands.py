"""The commands an editor may run: check what was given, call, answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from lsprotocol import types

from lsp import allowing, refreshing, unsaying
from lsp.answers import Json
from lsp.errors import LspError, NothingToUnsay
from lsp.session import Session

Arguments = tuple[object, ...]
Command = Callable[[Session, Arguments], Awaitable[object]]

_STATUS_S = 5.0


async def accepted(session: Session, given: Arguments) -> None:
    """The editor has put in a whole suggestion; `given` is its id."""
    suggestion = _text(given, 0)
    if suggestion and not session.offers.accepted(suggestion):
        session.accepted_late(suggestion)


async def unsay_selection(session: Session, given: Arguments) -> Json:
    """uri, range, and perhaps what should stand there instead."""
    uri, place = _text(given, 0), _range(given, 1)
    document = session.editor.documents.document(uri) if uri else None
    if uri is None or place is None or document is None:
        raise NothingToUnsay(
            "select the text that should not be suggested again and choose 'Unsay this' "
            "from the code actions (the light bulb)"
        )
    start, end = document.places.span(place)
    return await unsaying.unsay_selection(session, uri, start, end, _text(given, 2))


async def unsay_last(session: Session, given: Arguments) -> Json:
    return await unsaying.unsay_last(session)


async def take_back(session: Session, given: Arguments) -> Json:
    """The item's id, or the last one."""
    return await unsaying.take_back(session, _text(given, 0))


async def explain(session: Session, given: Arguments) -> str:
    """Markdown on the last suggestion that was held back, changed or marked."""
    excluded = session.board.present
    if excluded.state in ("excluded", "disabled"):
        session.tell(excluded.message)
        return excluded.message
    if session.explained is None:
        said = "Nothing was held back, changed or marked since the editor started."
        session.tell(said)
        return said
    session.tell(session.explained.as_sentence())
    return session.explained.as_markdown()


async def allow_once(session: Session, given: Arguments) -> None:
    """Let the next suggestion in the document of the last block through."""
    if session.explained is None:
        raise NothingToUnsay("nothing was held back: there is nothing to allow")
    session.suggester.allowed_once = session.explained.uri
    session.tell("The next suggestion in this file may say what was held back.")


async def allow(session: Session, given: Arguments) -> Json:
    """A rule, and the folder in which it is allowed; anywhere without one."""
    return await allowing.allow(session, _text(given, 0), _text(given, 1))


async def refresh(session: Session, given: Arguments) -> Json:
    """`incremental` or `rebuild`; without it the server's own choice."""
    return await refreshing.refresh(session, _text(given, 0))


async def status(session: Session, given: Arguments) -> dict[str, object]:
    """The state, looked at anew; a failed start of the server is tried again."""
    session.keeper.look(start_again=True)
    await session.keeper.settled(_STATUS_S)
    return {
        **session.board.as_json(),
        "url": session.connection.url,
        "client": session.suggester.client,
        "lastItem": session.last_item,
    }


COMMANDS: Mapping[str, Command] = {
    "unsay.accepted": accepted,
    "unsay.allow": allow,
    "unsay.allowOnce": allow_once,
    "unsay.explain": explain,
    "unsay.refresh": refresh,
    "unsay.status": status,
    "unsay.takeBack": take_back,
    "unsay.unsayLast": unsay_last,
    "unsay.unsaySelection": unsay_selection,
}


def _text(given: Arguments, i: int) -> str | None:
    if len(given) <= i or given[i] is None:
        return None
    value = given[i]
    if not isinstance(value, str):
        raise LspError(f"argument {i + 1} of the command must be a text")
    return value


def _range(given: Arguments, i: int) -> types.Range | None:
    """A range in JSON, as the protocol writes it."""
    if len(given) <= i or given[i] is None:
        return None
    try:
        place = cast(Mapping[str, Mapping[str, int]], given[i])
        return types.Range(
            types.Position(int(place["start"]["line"]), int(place["start"]["character"])),
            types.Position(int(place["end"]["line"]), int(place["end"]["character"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LspError(f"argument {i + 1} of the command must be a range") from error
