"""Which detectors the guard asks, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.guard.api_index import ApiIndex
from server.guard.bandit_scan import BanditDetector
from server.guard.config import GuardConfig
from server.guard.deep import DeepDetector
from server.guard.deprecated import DeprecatedDetector
from server.guard.finding import Detector
from server.guard.insecure import InsecureDetector
from server.guard.ledger_match import LedgerDetector
from server.guard.licensed import LicensedDetector
from server.guard.patterns import hint_codes
from server.guard.ruff_server import RuffServer
from server.guard.secrets import SecretDetector
from server.guard.user_rules import UserRules

NEVER_DEFERRED = frozenset({"secrets", "ledger"})
"""What these find must not be seen even for a moment: they run first and are always waited for."""


@dataclass(frozen=True)
class Detectors:
    """All there are, in the order in which they are asked; `is_deferred` says when."""

    every: tuple[Detector, ...]
    absent: Mapping[str, str]
    """Optional ones that are not installed, each with a sentence on what it lacks."""
    patient: Mapping[str, Detector]
    """By name, for the background: those that count their time have more of it there."""
    ledger: LedgerDetector
    ruff: RuffServer
    index: ApiIndex
    licensed: LicensedDetector

    def wait(self, seconds: float, *, has_indexes: bool) -> bool:
        """Whether ruff and the indexes are ready, after at most `seconds` for each."""
        is_indexed = not has_indexes or (self.index.wait(seconds) and self.licensed.wait(seconds))
        return self.ruff.wait(seconds) and is_indexed


def make_detectors(config: GuardConfig) -> Detectors:
    """Start their children and indexes, as far as `config` wants them."""
    ruff, ledger = RuffServer(hint_codes()), LedgerDetector()
    ruff.start()
    index = ApiIndex(config.python, config.cache)
    if config.index_packages:
        index.start()
    licensed = LicensedDetector(config.python, config.cache, config.index_packages)
    every: tuple[Detector, ...] = (
        SecretDetector(config.budget_ms),
        ledger,
        UserRules(config.rules),
        DeprecatedDetector(index),
        licensed,
        InsecureDetector(ruff, config.ruff_ms, config.budget_ms),
        BanditDetector(),
    )
    deep = DeepDetector()
    absent = {} if deep.status() == "ok" else {deep.name: deep.status()}
    every = every if absent else (*every, deep)
    patient = {one.name: one for one in every}
    patient["insecure"] = InsecureDetector(ruff, config.ruff_ms, config.background_ms)
    return Detectors(every, absent, patient, ledger, ruff, index, licensed)
