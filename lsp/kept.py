"""Suggestions that were taken into a document, followed through later edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lsp.answers import Mark
from lsp.offers import Offer
from lsp.spans import Edit, Span

_PER_DOCUMENT = 50


@dataclass
class Kept:
    """One taken text and what the guard still says of it."""

    suggestion: str
    text: str
    """What was taken, the choice's own text."""
    span: Span | None
    """Where it stands; None once it was edited."""
    marks: list[tuple[Span, Mark]]
    prefix: str
    suffix: str
    is_closed: bool = False
    """Its document is no longer open: nobody knows what becomes of it."""


class KeptTexts:
    """The taken texts of each document, the latest last."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Kept]] = {}

    def add(self, offer: Offer) -> Kept:
        """Follow what was taken of `offer`."""
        start = offer.anchor + offer.lead
        chars = offer.accepted_chars
        kept = Kept(
            suggestion=offer.choice.suggestion,
            text=offer.text[offer.lead : offer.taken],
            span=Span(start, start + chars),
            marks=[
                (Span(start + mark.start, start + mark.end), mark)
                for mark in offer.choice.marks
                if mark.start < mark.end <= chars
            ],
            prefix=offer.prefix,
            suffix=offer.suffix,
        )
        texts = self._kept.setdefault(offer.uri, [])
        texts.append(kept)
        del texts[:-_PER_DOCUMENT]
        return kept

    def edited(self, uri: str, edit: Edit) -> bool:
        """Follow one edit; True when a mark moved or went."""
        touched = False
        for kept in self._kept.get(uri, []):
            kept.span = kept.span.after(edit) if kept.span else None
            moved = [(span.after(edit), mark) for span, mark in kept.marks]
            marks = [(span, mark) for span, mark in moved if span is not None]
            touched = touched or marks != kept.marks
            kept.marks = marks
        return touched

    def around(self, uri: str, start: int, end: int) -> Kept | None:
        """The unedited taken text that holds `[start, end)`."""
        for kept in reversed(self._kept.get(uri, [])):
            if kept.span is not None and kept.span.start <= start and end <= kept.span.end:
                return kept
        return None

    def marks(self, uri: str) -> list[tuple[Kept, Span, Mark]]:
        return [(kept, span, mark) for kept in self._kept.get(uri, []) for span, mark in kept.marks]

    def mark(self, suggestion: str, marks: Sequence[Mark]) -> bool:
        """The guard has found more in a taken text; whether there is something to show now.

        A text that was edited since has lost its place, and with it what is said of it.
        """
        is_marked = False
        for texts in self._kept.values():
            for kept in texts:
                if kept.suggestion != suggestion or kept.span is None:
                    continue
                start, chars = kept.span.start, len(kept.text)
                placed = [
                    (Span(start + mark.start, start + mark.end), mark)
                    for mark in marks
                    if mark.start < mark.end <= chars
                ]
                kept.marks += placed
                is_marked = is_marked or bool(placed)
        return is_marked

    def allow(self, rule: str) -> list[str]:
        """A person lets `rule` pass: drop its marks; the documents that had some."""
        touched: list[str] = []
        for uri, texts in self._kept.items():
            for kept in texts:
                left = [(span, mark) for span, mark in kept.marks if mark.rule != rule]
                if left != kept.marks:
                    kept.marks = left
                    touched.append(uri)
        return list(dict.fromkeys(touched))

    def drop_marks(self, suggestion: str) -> None:
        """The person has dealt with this one."""
        for texts in self._kept.values():
            for kept in texts:
                if kept.suggestion == suggestion:
                    kept.marks = []

    def close(self, uri: str) -> None:
        for kept in self._kept.pop(uri, []):
            kept.is_closed = True
