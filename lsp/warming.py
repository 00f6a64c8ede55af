"""Has the server read what stands around the cursor before anybody asks for a suggestion there."""

from __future__ import annotations

import asyncio

from lsp.connection import Connection
from lsp.cursor import Cursor
from lsp.documents import Document
from lsp.errors import ServerRefused
from lsp.suggester import Request, Suggester

_STILL_S = 0.15
"""A cursor that has not moved for so long has arrived."""


class Warmer:
    """Sends the request that a suggestion would need, and wants no answer to it."""

    def __init__(self, connection: Connection, suggester: Suggester) -> None:
        self._connection = connection
        self._suggester = suggester
        self._last: tuple[str, int | None, int] | None = None
        self._is_understood = True

    async def warm(self, document: Document, offset: int) -> None:
        """Once the cursor stands still; nothing where a suggestion would not be asked for, where
        one has been asked for meanwhile, or where no server is ready."""
        place = (document.uri, document.version, offset)
        if place == self._last or not self._is_understood:
            return
        asked = self._suggester.asked
        await asyncio.sleep(_STILL_S)
        if document.version != place[1] or self._suggester.asked != asked:
            return
        cursor = Cursor(document.text[:offset], document.text[offset:])
        body = await self._suggester.warm_body(Request(document, cursor, False, 1))
        if body is None:
            return
        self._last = place
        try:
            await self._connection.post("/v1/completions", body)
        except ServerRefused as refused:
            if refused.code != "unknown_field":
                raise
            self._is_understood = False  # an older server reads when it is asked
