"""Answers `initialize` before anything heavy is imported.

pygls and the protocol's types take 0.4 s to import on a busy machine, which an editor would
spend waiting. The answer depends on two fields of the question only, so it is written here; a
test holds it equal to what pygls would have answered. The message is then replayed to pygls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, cast

COMMANDS = (
    "unsay.accepted",
    "unsay.allow",
    "unsay.allowOnce",
    "unsay.explain",
    "unsay.refresh",
    "unsay.status",
    "unsay.takeBack",
    "unsay.unsayLast",
    "unsay.unsaySelection",
)

TRIGGERS = (".", "(", "=")
"""Where a completion list is asked for beside words."""

_LARGEST_GREETING = 16_000_000
_ENCODINGS = ("utf-8", "utf-16", "utf-32")

Message = Mapping[str, object]


@dataclass(frozen=True)
class Greeted:
    """What was read from the editor so far, and the id of the request that has its answer."""

    read: bytes
    answered: int | str | None = None


def greet(editor_in: IO[bytes], editor_out: IO[bytes], version: str) -> Greeted:
    """Read the first message and answer it if it is a sound `initialize`."""
    read, body = _first_message(editor_in)
    if body is None:
        return Greeted(read)
    try:
        message = json.loads(body)
    except ValueError:
        return Greeted(read)
    asked: Message = cast(Message, message) if isinstance(message, dict) else {}
    if not _is_sound(asked):
        return Greeted(read)
    answer = {"id": asked["id"], "jsonrpc": "2.0", "result": initialize_result(asked, version)}
    data = json.dumps(answer).encode()
    editor_out.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
    editor_out.flush()
    return Greeted(read, cast("int | str", asked["id"]))


def initialize_result(message: Message, version: str) -> dict[str, object]:
    """The answer to `initialize`."""
    capabilities = {
        "positionEncoding": _encoding(message),
        "textDocumentSync": {
            "openClose": True,
            "change": 2,
            "save": True,
        },
        "completionProvider": {"triggerCharacters": list(TRIGGERS)},
        "codeActionProvider": {"codeActionKinds": ["quickfix", "refactor"]},
        "inlineCompletionProvider": {},
        "executeCommandProvider": {"commands": list(COMMANDS)},
        "workspace": {
            "workspaceFolders": {"supported": True, "changeNotifications": True},
            "fileOperations": {},
        },
    }
    return {"capabilities": capabilities, "serverInfo": {"name": "unsay", "version": version}}


def _encoding(message: Message) -> str:
    """The first encoding in the editor's order of preference that we know."""
    place: object = message["params"]
    for key in ("capabilities", "general", "positionEncodings"):
        place = cast(Message, place).get(key) if isinstance(place, Mapping) else None
    offered = cast("list[object]", place) if isinstance(place, list) else []
    return next((str(each) for each in offered if each in _ENCODINGS), "utf-16")


def _is_sound(message: Message) -> bool:
    params = message.get("params")
    return (
        message.get("jsonrpc") == "2.0"
        and message.get("method") == "initialize"
        and isinstance(message.get("id"), (int, str))
        and isinstance(params, Mapping)
        and isinstance(cast(Message, params).get("capabilities"), Mapping)
    )


def _first_message(editor_in: IO[bytes]) -> tuple[bytes, bytes | None]:
    """All bytes read, and the first message's body; None when there is no such message."""
    read = b""
    length: int | None = None
    while True:
        line = editor_in.readline()
        read += line
        if not line or len(read) > 10_000:
            return read, None
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
        if not line.strip() and length is not None:
            break
    if length > _LARGEST_GREETING:
        return read, None
    body = editor_in.read(length)
    return read + body, body
