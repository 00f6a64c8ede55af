"""What is done about findings: repair, warn or block; and the sentence that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from server.guard.config import WARNED_WHEN_NOT_REPAIRED, GuardConfig
from server.guard.errors import DetectorFailed
from server.guard.finding import Case, Finding, Redecode, Review
from server.guard.repair import Check, Limits, Repair, repair
from server.guard.sound import is_sound

_DONE = {
    "replaced": "Replaced a part",
    "decoded": "Decoded again",
    "cut": "Cut off",
}


def nothing_found(case: Case, deferred: tuple[str, ...]) -> Review:
    """The suggestion as it is."""
    return Review(case.suggestion, None, (), None, (), deferred if case.suggestion else ())


def failed(error: DetectorFailed, done: str = "Blocked") -> Review:
    """Nothing is shown that could not be checked."""
    reason = f"{done}, because the guard could not check it: {error}. See `unsay doctor`."
    return Review("", "blocked", (), reason)


def acted(
    config: GuardConfig,
    case: Case,
    findings: list[Finding],
    check: Check,
    again: Redecode | None,
) -> Review:
    """The suggestion after the best that can be done about its `findings` before it is shown."""
    blocked = [one for one in findings if config.policy(one.kind) == "block"]
    if blocked:
        return Review("", "blocked", tuple(findings), _reason("Blocked", blocked))
    wanted = [one for one in findings if _must_be_repaired(config, one)]
    strict = [one for one in findings if _must_not_be_shown(config, one)]

    def repaired(must_go: Callable[[Finding], bool]) -> Repair | None:
        if not any(map(must_go, findings)):
            return None
        return repair(
            case.suggestion,
            findings,
            must_go=must_go,
            check=check,
            is_sound=partial(is_sound, case),
            again=again,
            limits=Limits(config.redecode_tries, config.repair_ms),
        )

    done = repaired(lambda one: _must_be_repaired(config, one))
    if done is None and strict:
        # What is only warned about may stay, if the rest goes.
        done = repaired(lambda one: _must_not_be_shown(config, one))
        if done is None:
            return Review("", "blocked", tuple(findings), _reason("Blocked", strict))
    if done is not None and done.text != case.suggestion:
        reason = _reason(_DONE[done.step], strict or wanted)
        return Review(done.text, "patched", tuple(findings), reason, done.left)
    marks = tuple(findings)
    return Review(case.suggestion, "warned", marks, _reason("Warned", findings), marks)


def acted_late(config: GuardConfig, case: Case, findings: Sequence[Finding]) -> Review:
    """What becomes of a suggestion that is on the screen already: it cannot be repaired there."""
    if not findings:
        return Review(case.suggestion, None, (), None)
    wrong = [one for one in findings if _must_be_repaired(config, one)]
    if wrong:
        return Review("", "blocked", tuple(findings), _reason("Taken back", wrong))
    marks = tuple(findings)
    return Review(case.suggestion, "warned", marks, _reason("Warned", findings), marks)


def _must_be_repaired(config: GuardConfig, found: Finding) -> bool:
    return config.policy(found.kind) in ("patch", "block") and not _is_hint(found)


def _must_not_be_shown(config: GuardConfig, found: Finding) -> bool:
    policy = config.policy(found.kind)
    is_shown = found.kind in WARNED_WHEN_NOT_REPAIRED or _is_hint(found)
    return policy == "block" or (policy == "patch" and not is_shown)


def _is_hint(found: Finding) -> bool:
    """Whether a finding is only warned about: what asks for attribution and no more is one too."""
    return found.severity == "low"


def _reason(done: str, findings: Sequence[Finding]) -> str:
    first = findings[0]
    others = len(findings) - 1
    more = f" ({others} more finding{'s' if others > 1 else ''})" if others else ""
    return f"{done} ({first.kind}, {first.rule}): {first.message}{more}"
