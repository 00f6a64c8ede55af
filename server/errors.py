"""What the server refuses, each with a sentence that says what to do.

ServerError
├── NotStarted              `serve` cannot begin; the command line prints the message
│   ├── PortTaken
│   └── AlreadyServing      .url of the server that has this home
└── RequestError            an answer with .status and .code
    ├── NotJson             400 not_json
    ├── UnknownField        400 unknown_field
    ├── BadField            400 bad_field
    ├── WrongToken          401 wrong_token
    ├── ForeignHost         403 foreign_host
    ├── ForeignOrigin       403 foreign_origin
    ├── UnknownModel        404 unknown_model
    ├── UnknownGeneration   404 unknown_generation
    ├── BodyTooLarge        413 body_too_large
    ├── Busy                429 busy
    ├── AdapterChanged      409 adapter_changed
    ├── RefreshRunning      409 refresh_running
    ├── RefreshNotStarted   500 refresh_not_started
    ├── Loading             503 loading
    └── Stopping            503 stopping
"""

from __future__ import annotations

from typing import ClassVar


class ServerError(Exception):
    """Anything this folder raises by itself."""


class NotStarted(ServerError):
    """The server cannot begin to serve."""


class PortTaken(NotStarted):
    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} is taken by another program: choose another with --port, "
            "or --port 0 for any free one"
        )


class AlreadyServing(NotStarted):
    def __init__(self, home: str, url: str | None) -> None:
        where = f"at {url}" if url else "and has not said yet where it listens"
        super().__init__(
            f"a server already runs for {home} {where}: use that one, stop it first, "
            "or give this one another home with UNSAY_HOME"
        )
        self.url = url


class RequestError(ServerError):
    """A request that is answered with an error; the message goes to the caller."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"


class NotJson(RequestError):
    code = "not_json"


class UnknownField(RequestError):
    code = "unknown_field"


class BadField(RequestError):
    code = "bad_field"


class WrongToken(RequestError):
    status, code = 401, "wrong_token"


class ForeignHost(RequestError):
    status, code = 403, "foreign_host"


class ForeignOrigin(RequestError):
    status, code = 403, "foreign_origin"


class UnknownModel(RequestError):
    status, code = 404, "unknown_model"


class UnknownGeneration(RequestError):
    status, code = 404, "unknown_generation"


class BodyTooLarge(RequestError):
    status, code = 413, "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the body is larger than {limit_bytes} bytes: send less text around the cursor, "
            "or raise max_body_bytes"
        )


class Busy(RequestError):
    status, code = 429, "busy"


class AdapterChanged(RequestError):
    """The adapter's file is not the one that passed the gate."""

    status, code = 409, "adapter_changed"


class RefreshRunning(RequestError):
    status, code = 409, "refresh_running"


class RefreshNotStarted(RequestError):
    status, code = 500, "refresh_not_started"


class Loading(RequestError):
    status, code = 503, "loading"


class Stopping(RequestError):
    status, code = 503, "stopping"
