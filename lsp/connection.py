"""HTTP to the server: one client session, and our errors.

The address is read anew when the server moved, the token when it changed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lsp.address import Address, read_address
from lsp.answers import Json, mapping, optional_text
from lsp.errors import BadAnswer, ServerRefused, ServerTooSlow, ServerUnreachable

if TYPE_CHECKING:  # aiohttp takes 0.2 s to import: only when there is something to send
    from aiohttp import ClientResponse, ClientSession

T = TypeVar("T")

_CONNECT_S = 2.0
_ANSWER_S = 20.0
"""Above the server's own deadline of a completion."""


class Connection:
    """The way to the server that has `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._session: ClientSession | None = None
        self._address: Address | None = None

    @property
    def url(self) -> str | None:
        """Where the server was found last."""
        return self._address.url if self._address else None

    async def get(self, path: str, timeout_s: float = _ANSWER_S) -> Json:
        return await self._ask("GET", path, None, timeout_s)

    async def post(
        self, path: str, body: Mapping[str, object], timeout_s: float = _ANSWER_S
    ) -> Json:
        return await self._ask("POST", path, body, timeout_s)

    async def delete(self, path: str) -> Json:
        return await self._ask("DELETE", path, None, _ANSWER_S)

    async def events(self, path: str) -> AsyncGenerator[tuple[str, Json]]:
        """The server-sent events at `path`, as names and data, until the server ends them."""
        name, data = "message", ""
        async with self._response("GET", path, None, None) as response:
            async for raw in response.content:
                line = raw.decode("utf-8").rstrip("\r\n")
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif not line and (data or name != "message"):
                    yield name, _json_object(data or "{}")
                    name, data = "message", ""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None, timeout_s: float
    ) -> Json:
        async with self._response(method, path, body, timeout_s) as response:
            return _json_object(await _limited(response.text(), timeout_s))

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, body: Mapping[str, object] | None, timeout_s: float | None
    ) -> AsyncGenerator[ClientResponse]:
        """An answer below 400; a moved server or a changed token is looked up once more."""
        from aiohttp import ClientError

        known = self._address
        try:
            response = await self._send(method, path, body, timeout_s, known)
        except ServerUnreachable:
            if known is None or read_address(self.home) == known:
                raise
            response = await self._send(method, path, body, timeout_s, None)
        if response.status == 401 and known is not None:
            response.release()
            response = await self._send(method, path, body, timeout_s, None)
        try:
            if response.status >= 400:
                raise await _refusal(response)
            yield response
        except (ClientError, ConnectionError) as error:
            raise ServerUnreachable(
                "the Unsay server went away in the middle of an answer; it will be asked again"
            ) from error
        finally:
            response.close()

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        timeout_s: float | None,
        address: Address | None,
    ) -> ClientResponse:
        from aiohttp import ClientError

        address = address or read_address(self.home)
        self._address = address
        session = await self._open_session()
        asked = session.request(
            method,
            address.url + path,
            json=body,
            headers={"Authorization": f"Bearer {address.token}"},
            allow_redirects=False,  # nothing may lead our text away from this machine
        )
        try:
            return await _limited(asked, timeout_s)
        except (ClientError, ConnectionError) as error:
            self._address = None
            raise ServerUnreachable(
                "the Unsay server does not answer: see `unsay doctor`"
            ) from error

    async def _open_session(self) -> ClientSession:
        if self._session is None:
            # a second thread pays for the import, the editor is answered meanwhile
            await asyncio.to_thread(__import__, "aiohttp")
        if self._session is None:
            from aiohttp import ClientSession, ClientTimeout, TCPConnector

            self._session = ClientSession(
                connector=TCPConnector(limit=16),
                timeout=ClientTimeout(total=None, connect=_CONNECT_S),
                trust_env=False,  # a proxy would see source text
            )
        return self._session


async def _limited(asked: Awaitable[T], timeout_s: float | None) -> T:
    try:
        async with asyncio.timeout(timeout_s):
            return await asked
    except TimeoutError as error:
        raise ServerTooSlow(
            "the Unsay server did not answer in time: it may be busy; see `unsay doctor`"
        ) from error


def _json_object(text: str) -> Json:
    try:
        return mapping(json.loads(text), "the top")
    except ValueError as error:
        raise BadAnswer("JSON") from error


async def _refusal(response: ClientResponse) -> ServerRefused:
    """The server's error in its one shape; a foreign answer still gives a sentence."""
    status = response.status
    try:
        told = mapping(_json_object(await _limited(response.text(), _CONNECT_S)).get("error"), "")
        code = optional_text(told, "code") or "unknown"
        message = optional_text(told, "message") or f"the Unsay server refused ({status})"
    except BadAnswer:
        code, message = "unknown", f"the Unsay server refused with status {status}"
    return ServerRefused(status, code, message)
