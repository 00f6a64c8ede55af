"""The protocol as pygls speaks it, with what it leaves open closed.

- The answer to `initialize` that `lsp.greeting` gave is not given twice.
- A request that cannot be read gets an error; pygls would leave the editor waiting.
- No text of a message, and no traceback, reaches the editor or a log.
"""

from __future__ import annotations

import io
import logging
from typing import IO, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from lsp.documents import Documents


class EditorProtocol(LanguageServerProtocol):
    """One editor's messages."""

    answered: int | str | None = None
    """The id of the request that has its answer already."""

    def adopt(self, params: types.InitializeParams) -> None:
        """Put our documents in the place of pygls' workspace."""
        made = self.workspace
        self._workspace = Documents(
            made.root_uri,
            types.TextDocumentSyncKind.Incremental,
            params.workspace_folders or [],
            made.position_encoding,
        )

    def structure_message(self, data: dict[str, Any]) -> Any:
        try:
            return super().structure_message(data)
        except JsonRpcException:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=_unreadable())
            raise

    def _send_response(
        self, msg_id: int | str, result: Any | None = None, error: types.ResponseError | None = None
    ) -> None:
        if self.answered is not None and msg_id == self.answered:
            self.answered = None
            return
        if error is not None:
            error = types.ResponseError(code=error.code, message=_plain(error.code))
        super()._send_response(msg_id, result, error)


class EditorServer(LanguageServer):
    """pygls' server, which tells the editor nothing about its errors."""

    def __init__(self, version: str) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "unsay",
            version,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            protocol_cls=EditorProtocol,
        )

    @property
    def messages(self) -> EditorProtocol:
        assert isinstance(self.protocol, EditorProtocol)
        return self.protocol

    @property
    def documents(self) -> Documents:
        found = self.workspace
        assert isinstance(found, Documents), "asked before initialize"
        return found

    def report_server_error(self, error: Exception, source: object) -> None:
        """Unreadable messages have their error reply; there is nothing a person could do."""


def silence_libraries() -> None:
    """pygls logs whole messages at INFO and their parameters with each error, asyncio traces."""
    for name in ("pygls", "asyncio", "aiohttp", "lsprotocol"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


class Replayed(io.BytesIO):
    """A stream that begins with what was read from it before."""

    def __init__(self, read: bytes, rest: IO[bytes]) -> None:
        super().__init__()
        self._read = io.BytesIO(read)
        self._rest = rest

    def readline(self, size: int | None = -1, /) -> bytes:
        line = self._read.readline()
        return line if line.endswith(b"\n") else line + self._rest.readline()

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = -1 if size is None else size
        data = self._read.read(wanted)
        return data if len(data) == wanted else data + self._rest.read(wanted - len(data))


def _unreadable() -> types.ResponseError:
    return types.ResponseError(code=types.ErrorCodes.InvalidParams, message="")


def _plain(code: int) -> str:
    """The sentence for an error code: pygls' own messages may quote what was sent."""
    sentences: dict[int, str] = {
        types.ErrorCodes.InvalidParams.value: "the request has parameters of the wrong form",
        types.ErrorCodes.MethodNotFound.value: "Unsay has no such method",
        types.LSPErrorCodes.RequestCancelled.value: "the request was cancelled",
    }
    return sentences.get(
        code, "Unsay could not handle the request; see the event log (unsay.eventLog)"
    )
