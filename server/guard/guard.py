"""The guard: checks a suggestion in its place, repairs what it can and blocks the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from server.guard.allow import not_allowed
from server.guard.api_index import ApiIndex
from server.guard.config import WARNED_WHEN_NOT_REPAIRED, GuardConfig
from server.guard.deprecated import DeprecatedDetector
from server.guard.errors import DetectorFailed
from server.guard.finding import Case, Detector, Finding, Redecode, Review
from server.guard.insecure import InsecureDetector
from server.guard.ledger_match import ForgottenItem, LedgerDetector
from server.guard.patterns import hint_codes
from server.guard.repair import Limits, Repair, repair
from server.guard.ruff_server import RuffServer
from server.guard.secrets import SecretDetector

_DONE = {
    "replaced": "Replaced a part",
    "decoded": "Decoded again",
    "cut": "Cut off",
}


class Guard:
    """Every detector behind one policy; safe to use from several threads."""

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self._index = ApiIndex(config.python, config.cache)
        self._ruff = RuffServer(hint_codes())
        self._ledger = LedgerDetector()
        self._detectors: tuple[Detector, ...] = (
            SecretDetector(config.budget_ms),
            self._ledger,
            DeprecatedDetector(self._index),
            InsecureDetector(self._ruff, config.ruff_ms, config.budget_ms),
        )
        self._failures: dict[str, str] = {}
        self._ruff.start()
        if config.index_packages:
            self._index.start()

    def check(self, case: Case, *, is_own_text: bool = False) -> list[Finding]:
        """What is wrong with the suggestion, in order; kinds that are `off` are left out.

        `is_own_text`: the suggestion is a person's own file, whose allow comments count.
        Raises DetectorFailed under `fail = "closed"` when a detector cannot run.
        """
        found: list[Finding] = []
        for detector in self._detectors:
            found += self._run(detector, case)
        shown = [one for one in found if self._config.policy(one.kind) != "off"]
        shown = not_allowed(case, shown, self._config.disabled_rules, is_own_text=is_own_text)
        return sorted(shown, key=lambda one: (one.start, one.end))

    def review(self, case: Case, again: Redecode | None = None) -> Review:
        """The suggestion as it may be shown: unchanged, repaired, marked, or blocked."""
        try:
            findings = self.check(case)
            if not findings:
                return Review(case.suggestion, None, (), None)
            return self._acted(case, findings, again)
        except DetectorFailed as error:
            reason = f"Blocked, because the guard could not check it: {error}."
            return Review("", "blocked", (), reason)

    def set_ledger(
        self, items: Iterable[ForgottenItem], fingerprint: Callable[[str], str] | None = None
    ) -> None:
        """Find these ledger items from now on; `fingerprint` finds those without their text."""
        self._ledger.set_items(items, fingerprint)

    def status(self) -> Mapping[str, str]:
        """Each detector with `ok` or a sentence on what is missing."""
        return {
            detector.name: self._failures.get(detector.name) or detector.status()
            for detector in self._detectors
        }

    def wait(self, seconds: float) -> bool:
        """Whether ruff and the package index are ready, after at most `seconds` for each."""
        has_index = self._index.wait(seconds) or not self._config.index_packages
        return self._ruff.wait(seconds) and has_index

    def close(self) -> None:
        """End the children."""
        for detector in self._detectors:
            detector.close()

    def _run(self, detector: Detector, case: Case) -> Sequence[Finding]:
        try:
            found = detector.find(case)
        except Exception as error:  # the edge: a detector's mistake must not decide what is shown
            sentence = f"the check for {detector.name} failed ({type(error).__name__})"
            self._failures[detector.name] = sentence
            if self._config.fail == "closed":
                raise DetectorFailed(sentence) from error
            return ()
        self._failures.pop(detector.name, None)
        length = len(case.suggestion)
        return [one for one in found if 0 <= one.start < one.end <= length]

    def _acted(self, case: Case, findings: list[Finding], again: Redecode | None) -> Review:
        blocked = [one for one in findings if self._config.policy(one.kind) == "block"]
        if blocked:
            return Review("", "blocked", tuple(findings), _reason("Blocked", blocked))
        wanted = [one for one in findings if self._must_be_repaired(one)]
        strict = [one for one in findings if self._must_not_be_shown(one)]
        done = self._repaired(case, findings, again, self._must_be_repaired, bool(strict))
        if done is None and strict:
            # What is only warned about may stay, if the rest goes.
            done = self._repaired(case, findings, again, self._must_not_be_shown, True)
            if done is None:
                return Review("", "blocked", tuple(findings), _reason("Blocked", strict))
        if done is not None and done.text != case.suggestion:
            reason = _reason(_DONE[done.step], strict or wanted)
            return Review(done.text, "patched", tuple(findings), reason, done.left)
        marks = tuple(findings)
        return Review(case.suggestion, "warned", marks, _reason("Warned", findings), marks)

    def _repaired(
        self,
        case: Case,
        findings: list[Finding],
        again: Redecode | None,
        must_go: Callable[[Finding], bool],
        may_cut: bool,
    ) -> Repair | None:
        if not any(map(must_go, findings)):
            return None
        return repair(
            case.suggestion,
            findings,
            must_go=must_go,
            may_cut=may_cut,
            check=lambda text: self.check(replace(case, suggestion=text)),
            again=again,
            limits=Limits(self._config.redecode_tries, self._config.repair_ms),
        )

    def _must_be_repaired(self, found: Finding) -> bool:
        is_minor = found.severity == "low" and found.kind in WARNED_WHEN_NOT_REPAIRED
        return self._config.policy(found.kind) in ("patch", "block") and not is_minor

    def _must_not_be_shown(self, found: Finding) -> bool:
        policy = self._config.policy(found.kind)
        return policy == "block" or (
            policy == "patch" and found.kind not in WARNED_WHEN_NOT_REPAIRED
        )


def _reason(done: str, findings: Sequence[Finding]) -> str:
    first = findings[0]
    others = len(findings) - 1
    more = f" ({others} more finding{'s' if others > 1 else ''})" if others else ""
    return f"{done} ({first.kind}, {first.rule}): {first.message}{more}"
