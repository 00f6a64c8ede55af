"""What the guard is given and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from store.records import Action, Kind

Severity = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Case:
    """A suggestion in its place."""

    prefix: str
    suggestion: str
    suffix: str
    language: str
    """LSP language identifier: `python`, `typescript`, ..."""
    path: str | None = None
    """Inside the workspace, where there is one."""
    workspace: str | None = None
    """The absolute path of the folder that the editor has open."""


@dataclass(frozen=True)
class Finding:
    """One thing flagged in a suggestion."""

    kind: Kind
    rule: str
    cwe: str | None
    start: int
    end: int
    """Character offsets in `Case.suggestion`; never empty, never outside."""
    message: str
    """For a person: what is wrong and what to do. Never holds the flagged text of a secret."""
    replacement: str | None = None
    """Text to put in place of the span, where one is known."""
    severity: Severity = "medium"


@dataclass(frozen=True)
class Review:
    """What became of a suggestion: its text after repair, what was done, and why."""

    text: str
    action: Action | None
    """None: nothing was found. `blocked`: `text` is empty."""
    findings: tuple[Finding, ...]
    """Found in the text as the model proposed it."""
    reason: str | None
    """One sentence for a person, where there is an action."""
    marks: tuple[Finding, ...] = ()
    """Findings that are still in `text`, with offsets in it: what was only warned about."""
    deferred: tuple[str, ...] = ()
    """The detectors that have not seen `text` yet; see `Guard.review_later`."""


class Redecode(Protocol):
    """Decodes a suggestion again from the token at `offset`, which may not be said there."""

    def __call__(self, text: str, offset: int, deadline: float) -> str | None:
        """The new suggestion, or None if the engine has no other way on before `deadline`, a
        reading of `time.monotonic()`."""
        ...


class Detector(Protocol):
    """One way of finding things. Cheap to call; never raises on strange input."""

    name: str
    is_deferred: bool
    """Asked in the background, after the answer; False: on the typing path, within its budget."""

    def find(self, case: Case) -> Sequence[Finding]: ...

    def status(self) -> str:
        """`ok`, or a sentence on what is missing."""
        ...

    def close(self) -> None: ...
