"""What the server answers, read from JSON into frozen records.

Anything that does not fit raises BadAnswer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from lsp.errors import BadAnswer

Json = Mapping[str, object]


@dataclass(frozen=True)
class Mark:
    """A finding, as the guard reported it. Offsets are characters of the text it refers to."""

    kind: str
    rule: str
    cwe: str | None
    start: int
    end: int
    message: str
    replacement: str | None
    severity: str


@dataclass(frozen=True)
class Choice:
    """One suggestion as the server answered it."""

    suggestion: str
    """Its id."""
    text: str
    generation: str
    action: str | None
    """`blocked` (then `text` is empty), `patched`, `warned`, or None."""
    reason: str | None
    findings: tuple[Mark, ...]
    """In the text as the model proposed it."""
    marks: tuple[Mark, ...]
    """Still in `text`."""
    is_checking: bool = False
    """The server looks at it again in the background; see `lsp.verdicts`."""


@dataclass(frozen=True)
class Verdict:
    """What became of a suggestion after it was answered."""

    suggestion: str
    state: str
    """`clear`, `warned`, `taken_back` or `unchecked`."""
    reason: str | None
    findings: tuple[Mark, ...]
    """In the text as it was answered."""


@dataclass(frozen=True)
class Health:
    """What the server says of itself."""

    status: str
    generation: str
    model: str
    reason: str | None
    version: str
    engine: str = "awake"
    """`awake`, `asleep` (its memory was given back, the next key wakes it) or `waking`."""

    @property
    def is_loading(self) -> bool:
        return self.status == "loading"


@dataclass(frozen=True)
class Progress:
    """One step of a refresh."""

    id: str
    state: str
    phase: str
    done: int
    total: int
    message: str

    @property
    def percentage(self) -> int | None:
        """0 to 100 inside the phase, None while its length is unknown."""
        return min(100, 100 * self.done // self.total) if self.total > 0 else None


def choices(answer: Json) -> list[Choice]:
    found = [_choice(mapping(each, "choices")) for each in items(answer, "choices")]
    return found


def health(answer: Json) -> Health:
    return Health(
        status=text(answer, "status"),
        generation=optional_text(answer, "generation") or "",
        model=optional_text(answer, "model") or "",
        reason=optional_text(answer, "reason"),
        version=optional_text(answer, "version") or "",
        engine=optional_text(answer, "engine") or "awake",
    )


def progress(run: Json) -> Progress:
    return Progress(
        id=text(run, "id"),
        state=text(run, "state"),
        phase=text(run, "phase"),
        done=number(run, "done"),
        total=number(run, "total"),
        message=optional_text(run, "message") or "",
    )


def verdict(data: Json) -> Verdict:
    return Verdict(
        suggestion=text(data, "suggestion"),
        state=text(data, "state"),
        reason=optional_text(data, "reason"),
        findings=tuple(_mark(mapping(each, "findings")) for each in items(data, "findings")),
    )


def _choice(data: Json) -> Choice:
    ours = mapping(data.get("unsay"), "unsay")
    return Choice(
        suggestion=text(ours, "suggestion"),
        text=text(data, "text"),
        generation=text(ours, "generation"),
        action=optional_text(ours, "action"),
        reason=optional_text(ours, "reason"),
        findings=tuple(_mark(mapping(each, "findings")) for each in items(ours, "findings")),
        marks=tuple(_mark(mapping(each, "marks")) for each in items(ours, "marks")),
        is_checking=ours.get("checking") is True,
    )


def _mark(data: Json) -> Mark:
    return Mark(
        kind=text(data, "kind"),
        rule=text(data, "rule"),
        cwe=optional_text(data, "cwe"),
        start=number(data, "start"),
        end=number(data, "end"),
        message=text(data, "message"),
        replacement=optional_text(data, "replacement"),
        severity=optional_text(data, "severity") or "medium",
    )


def mapping(value: object, name: str) -> Json:
    if not isinstance(value, Mapping):
        raise BadAnswer(f"an object at '{name}'")
    return cast(Json, value)


def items(data: Json, name: str) -> list[object]:
    """The list at `name`; none when it is missing."""
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadAnswer(f"a list at '{name}'")
    return cast(list[object], value)


def text(data: Json, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise BadAnswer(f"a text at '{name}'")
    return value


def optional_text(data: Json, name: str) -> str | None:
    return None if data.get(name) is None else text(data, name)


def number(data: Json, name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadAnswer(f"a whole number at '{name}'")
    return value
