"""Makes a ledger item of a selection or of the last suggestion, and takes one back."""

from __future__ import annotations

from urllib.parse import quote

from lsp.answers import Json, text
from lsp.cursor import Cursor
from lsp.documents import Document
from lsp.errors import Excluded, NothingToUnsay
from lsp.offers import Offer
from lsp.session import Session
from lsp.spans import smallest_edit
from lsp.suggester import relative_path

_LONGEST_REPLACEMENT = 500
_LONGEST_TARGET = 10_000
"""Characters; more than any suggestion."""


async def unsay_selection(
    session: Session, uri: str, start: int, end: int, replacement: str | None = None
) -> Json:
    """Put `[start, end)` of the document into the ledger.

    Where a suggestion was taken there, the item is that suggestion with the selection blamed.
    """
    document = await _open_document(session, uri)
    selected = document.text[start:end]
    start += len(selected) - len(selected.lstrip())
    end -= len(selected) - len(selected.rstrip())
    if start >= end:
        raise NothingToUnsay("select the text that should not be suggested again, then unsay it")
    if end - start > _LONGEST_TARGET:
        raise NothingToUnsay(f"select less: at most {_LONGEST_TARGET} characters can be unsaid")
    body: dict[str, object] = {}
    kept = session.kept.around(document.uri, start, end)
    if kept is not None and kept.span is not None:
        body = {"suggestion": kept.suggestion}
        whole = kept.span
        cursor = Cursor(document.text[: whole.start], document.text[whole.end :])
        target, blamed = kept.text, (start - whole.start, end - whole.start)
    else:
        cursor = Cursor(document.text[:start], document.text[end:])
        target, blamed = document.text[start:end], (0, end - start)
    body |= _item(session, document, cursor.prefix, cursor.suffix, target, blamed)
    if replacement:
        body["replacement"] = replacement
    return await _add(session, body)


async def unsay_last(session: Session) -> Json:
    """Put the last suggestion into the ledger, with what was typed instead as its replacement."""
    offer = session.last_offer
    if offer is None:
        raise NothingToUnsay("no suggestion has been shown yet: there is nothing to unsay")
    document = await _open_document(session, offer.uri)
    target = offer.choice.text
    blamed = (len(target) - len(target.lstrip()), len(target.rstrip()))
    body: dict[str, object] = {"suggestion": offer.choice.suggestion}
    instead = _typed_instead(session, document, offer)
    if instead is not None:
        change = smallest_edit(0, target, instead)
        if change.start < change.end and change.text:
            blamed = (change.start, change.end)
            body["replacement"] = change.text
    body |= _item(session, document, offer.prefix, offer.suffix, target, blamed)
    session.offers.close(offer.uri)
    return await _add(session, body)


async def take_back(session: Session, item: str | None) -> Json:
    """Withdraw a ledger item, the one unsaid last when none is named."""
    item = item or session.last_item
    if item is None:
        raise NothingToUnsay(
            "nothing was unsaid in this session: `unsay ledger` lists the items, "
            "`unsay take-back ID` withdraws one"
        )
    answer = await session.connection.delete(f"/v1/ledger/{quote(item, safe='')}")
    session.cache.clear()
    if session.last_item == item:
        session.last_item = None
    session.tell("Taken back: it may be suggested again.")
    return answer


def _typed_instead(session: Session, document: Document, offer: Offer) -> str | None:
    """What stands now where the suggestion would have gone, if the person wrote something else."""
    end = len(document.text) - session.last_after_chars
    start = offer.anchor + offer.lead
    if not start < end or not document.text[end:].startswith(offer.suffix):
        return None
    typed = document.text[start:end].rstrip()
    target = offer.choice.text
    if not typed or len(typed) > _LONGEST_REPLACEMENT:
        return None
    return None if target.startswith(typed) or typed.startswith(target.rstrip()) else typed


def _item(
    session: Session,
    document: Document,
    prefix: str,
    suffix: str,
    target: str,
    blamed: tuple[int, int],
) -> dict[str, object]:
    start, end = blamed
    return {
        "prefix": prefix,
        "suffix": suffix,
        "target": target,
        "start": start,
        "end": end,
        "kind": "user",
        "language": document.language_id or "",
        "path": relative_path(document, session.suggester.roots),
    }


async def _add(session: Session, body: dict[str, object]) -> Json:
    answer = await session.connection.post("/v1/ledger", body)
    session.last_item = text(answer, "id")
    session.cache.clear()
    suggestion = body.get("suggestion")
    if isinstance(suggestion, str):
        session.kept.drop_marks(suggestion)
        for uri in session.editor.documents.text_documents:
            session.publish(uri)
    session.log.write("unsaid", item=session.last_item)
    session.tell("Unsaid: banned from the next suggestion on, unlearned by the next refresh.")
    return answer


async def _open_document(session: Session, uri: str) -> Document:
    document = session.editor.documents.document(uri)
    if document is None:
        raise NothingToUnsay("the document is not open any more: open it and try again")
    verdict = await session.exclusion.verdict(document, session.suggester.roots)
    if verdict.reason is not None:
        raise Excluded(f"this file stays in the editor: {verdict.reason}. Nothing was sent.")
    return document
