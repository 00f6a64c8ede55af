"""What can go wrong between an editor and the server, each with a sentence that says what to do.

    LspError
    ├── ConfigInvalid          a setting has a value that cannot be used
    ├── NothingToUnsay         no selection, or no suggestion to speak of
    ├── Excluded               the document must not leave the editor
    └── ServerTrouble
        ├── ServerUnreachable  nobody answers
        ├── ServerNotStarted   `serve` ended before it answered
        ├── ServerTooSlow      no answer in time
        ├── ServerRefused      .status, .code: it answered with an error
        └── BadAnswer          it answered with something else than agreed

No message holds text of a document.
"""

from __future__ import annotations


class LspError(Exception):
    """Anything this folder raises by itself; its text may be shown to a person."""


class ConfigInvalid(LspError, ValueError):
    pass


class NothingToUnsay(LspError):
    pass


class Excluded(LspError):
    pass


class ServerTrouble(LspError):
    pass


class ServerUnreachable(ServerTrouble):
    pass


class ServerNotStarted(ServerTrouble):
    pass


class ServerTooSlow(ServerTrouble):
    pass


class ServerRefused(ServerTrouble):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class BadAnswer(ServerTrouble):
    def __init__(self, what: str) -> None:
        super().__init__(
            f"the Unsay server answered without {what}: server and editor may have different "
            "versions; restart both"
        )
