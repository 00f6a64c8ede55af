"""Suggestions in the forms that editors take; the forms were measured in real editors.

Ghost text repeats the line from its indentation on, so that taking a word, typing on and
deleting work. A list entry replaces the word that is being typed. Its further lines are
relative to the current one for a client with snippets, absolute for one without.
"""

from __future__ import annotations

import re

from lsprotocol import types

from lsp.cursor import Cursor
from lsp.documents import Document
from lsp.offers import Offer

ACCEPTED = "unsay.accepted"
_LABEL_CHARS = 60
_SPECIAL = re.compile(r"[\\$}]")


def inline_item(
    document: Document, cursor: Cursor, offer: Offer, selected: types.SelectedCompletionInfo | None
) -> types.InlineCompletionItem:
    """The ghost text for `offer`, whose text follows `cursor`."""
    if selected is not None:
        return types.InlineCompletionItem(
            insert_text=offer.text, range=selected.range, command=_accepted(offer)
        )
    typed = cursor.line[len(cursor.indentation) :]
    place = document.places.range(cursor.offset - len(typed), cursor.offset + offer.covers)
    return types.InlineCompletionItem(
        insert_text=typed + offer.rest, range=place, command=_accepted(offer)
    )


def list_item(
    document: Document, cursor: Cursor, offer: Offer, *, as_snippet: bool
) -> types.CompletionItem:
    """The entry of the completion list for `offer`."""
    word = cursor.word
    whole = word + offer.rest
    place = document.places.range(cursor.offset - len(word), cursor.offset + offer.covers)
    inserted = whole
    if as_snippet:
        inserted = _SPECIAL.sub(r"\\\g<0>", relative_lines(whole, cursor.indentation))
    first, *more = whole.split("\n")
    label = first.strip() or next((line.strip() for line in more if line.strip()), "…")
    return types.CompletionItem(
        label=label if len(label) <= _LABEL_CHARS else label[: _LABEL_CHARS - 1] + "…",
        label_details=types.CompletionItemLabelDetails(description="Unsay"),
        kind=types.CompletionItemKind.Snippet if as_snippet else types.CompletionItemKind.Text,
        detail="Unsay",
        documentation=types.MarkupContent(
            kind=types.MarkupKind.Markdown,
            value=f"```{document.language_id or ''}\n{cursor.line}{offer.rest}\n```"
            + "".join(f"\n\n⚠ {mark.message}" for mark in offer.choice.marks),
        ),
        sort_text="\uffff",
        filter_text=word or label,
        insert_text_format=(
            types.InsertTextFormat.Snippet if as_snippet else types.InsertTextFormat.PlainText
        ),
        insert_text_mode=types.InsertTextMode.AdjustIndentation if as_snippet else None,
        text_edit=types.TextEdit(range=place, new_text=inserted),
        command=_accepted(offer),
    )


def relative_lines(text: str, indentation: str) -> str:
    """`text` with the current line's `indentation` taken off its further lines.

    The editor puts it back. A line that stands further left cannot be said in this form:
    the text ends before it.
    """
    first, *further = text.split("\n")
    lines = [first]
    for line in further:
        if not line.strip():
            lines.append("")
        elif line.startswith(indentation):
            lines.append(line[len(indentation) :])
        else:
            break
    while len(lines) > 1 and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def _accepted(offer: Offer) -> types.Command:
    return types.Command(title="Accepted", command=ACCEPTED, arguments=[offer.choice.suggestion])
