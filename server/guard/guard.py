"""The guard: checks a suggestion in its place, repairs what it can and blocks the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from server.guard.allow import not_allowed
from server.guard.allow_list import AllowList
from server.guard.config import GuardConfig
from server.guard.detectors import NEVER_DEFERRED, make_detectors
from server.guard.errors import DetectorFailed, OutOfTime
from server.guard.finding import Case, Detector, Finding, Redecode, Review
from server.guard.ledger_match import ForgottenItem
from server.guard.policy import acted, acted_late, failed, nothing_found

_FIRST_CASES = (
    Case("import hashlib, threading\n", "x = hashlib.md5(threading.main_thread())\n", "", "python"),
    Case("", "element.innerHTML = Math.random() + apiKey;\n", "", "javascript"),
)


@dataclass(frozen=True)
class _Look:
    """What the detectors said within the time they had."""

    findings: list[Finding]
    deferred: tuple[str, ...]


class Guard:
    """Every detector behind one policy; safe to use from several threads."""

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self._parts = make_detectors(config)
        self._detectors = self._parts.every
        self.allowed = AllowList(config.allow)
        self._failures: dict[str, str] = {}
        self._warm_up()

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """All there are, in the order in which they are asked."""
        return self._detectors

    def check(
        self, case: Case, *, is_own_text: bool = False, with_deferred: bool = False
    ) -> list[Finding]:
        """What is wrong with the suggestion, in order; kinds that are `off` are left out.

        `is_own_text`: the suggestion is a person's own file, whose allow comments count.
        `with_deferred`: ask the slow detectors too, which else look at it in the background.
        Raises DetectorFailed under `fail = "closed"` when a detector cannot run.
        """
        asked = [one for one in self._detectors if with_deferred or not one.is_deferred]
        found = [finding for one in asked for finding in self._run(one, case)]
        return self._shown(case, found, is_own_text=is_own_text)

    def review(self, case: Case, again: Redecode | None = None) -> Review:
        """The suggestion as it may be shown: unchanged, repaired, marked, or blocked.

        What does not fit into `typing_ms` is named in `Review.deferred`.
        """
        try:
            look = self._look(case)
            if not look.findings:
                return nothing_found(case, look.deferred)

            def check(text: str) -> list[Finding]:
                return self._check_except(replace(case, suggestion=text), look.deferred)

            review = acted(self._config, case, look.findings, check, again)
            return replace(review, deferred=look.deferred if review.text else ())
        except DetectorFailed as error:
            return failed(error)

    def review_later(self, case: Case, deferred: Sequence[str]) -> Review:
        """What becomes of a suggestion that was shown once the `deferred` detectors have seen it.

        `blocked`: it has to be taken back. `warned`: it may stay, marked. None: nothing was found.
        """
        try:
            found = [
                finding
                for name in deferred
                if name in self._parts.patient
                for finding in self._run(self._parts.patient[name], case)
            ]
        except DetectorFailed as error:
            return failed(error, done="Taken back")
        return acted_late(self._config, case, self._shown(case, found, is_own_text=False))

    def set_ledger(
        self, items: Iterable[ForgottenItem], fingerprint: Callable[[str], str] | None = None
    ) -> None:
        """Find these ledger items from now on; `fingerprint` finds those without their text."""
        self._parts.ledger.set_items(items, fingerprint)

    def status(self) -> Mapping[str, str]:
        """Each detector with `ok` or a sentence on what is missing, and the list of the allowed.

        Those that are only missing because nobody installed them are in `absent` too.
        """
        said = {one.name: self._failures.get(one.name) or one.status() for one in self._detectors}
        return {**said, **self.absent, "allow": self.allowed.status()}

    @property
    def absent(self) -> Mapping[str, str]:
        """The optional detectors that are not installed."""
        return self._parts.absent

    def wait(self, seconds: float) -> bool:
        """Whether ruff and the package indexes are ready, after at most `seconds` for each."""
        return self._parts.wait(seconds, has_indexes=self._config.index_packages)

    def close(self) -> None:
        """End the children."""
        for detector in self._detectors:
            detector.close()

    def _warm_up(self) -> None:
        """Have tables and parsers read now: the first suggestion would not find the time."""
        for case in _FIRST_CASES:
            with suppress(DetectorFailed):  # kept for `status`
                self.check(case)

    def _look(self, case: Case) -> _Look:
        """Ask the detectors of the typing path, those that fit into its time."""
        began = time.thread_time()
        found: list[Finding] = []
        deferred: list[str] = []
        for one in self._detectors:
            is_late = (time.thread_time() - began) * 1000 > self._config.typing_ms
            if one.is_deferred or (is_late and one.name not in NEVER_DEFERRED):
                deferred.append(one.name)
                continue
            try:
                found += self._run(one, case)
            except OutOfTime:
                if one.name in NEVER_DEFERRED:
                    raise
                deferred.append(one.name)
        return _Look(self._shown(case, found, is_own_text=False), tuple(deferred))

    def _check_except(self, case: Case, deferred: Sequence[str]) -> list[Finding]:
        asked = [one for one in self._detectors if one.name not in deferred]
        found = [finding for one in asked for finding in self._run(one, case)]
        return self._shown(case, found, is_own_text=False)

    def _shown(self, case: Case, found: Sequence[Finding], *, is_own_text: bool) -> list[Finding]:
        """Those that neither the policy nor a person lets pass, in order."""
        if not found:
            return []
        kept = [one for one in found if self._config.policy(one.kind) != "off"]
        allowed = self._config.disabled_rules | self.allowed.rules_for(case)
        kept = not_allowed(case, kept, allowed, is_own_text=is_own_text)
        return sorted(kept, key=lambda one: (one.start, one.end))

    def _run(self, detector: Detector, case: Case) -> Sequence[Finding]:
        """What a detector finds; under `fail = "open"` nothing, where it fails.

        Raises DetectorFailed, and OutOfTime where all it lacked was time.
        """
        try:
            found = detector.find(case)
        except Exception as error:  # the edge: a detector's mistake must not decide what is shown
            self._fail(detector, error)
            return ()
        self._failures.pop(detector.name, None)
        length = len(case.suggestion)
        return [one for one in found if 0 <= one.start < one.end <= length]

    def _fail(self, detector: Detector, error: Exception) -> None:
        sentence = f"the check for {detector.name} failed ({type(error).__name__})"
        self._failures[detector.name] = sentence
        # a slow extra look must not take back every suggestion because its tool is broken
        if self._config.fail == "closed" and not detector.is_deferred:
            kind = OutOfTime if isinstance(error, OutOfTime) else DetectorFailed
            raise kind(sentence) from error
