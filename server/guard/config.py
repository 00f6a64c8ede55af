"""The guard's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from server.guard.errors import BadGuardConfig
from store.records import KINDS, Kind

Policy = Literal["block", "patch", "warn", "off"]

DEFAULT_ACTIONS: Mapping[Kind, Policy] = {
    "secret": "patch",
    "deprecated": "patch",
    "insecure": "patch",
    "licensed": "patch",
    "forgotten": "patch",
    "user": "patch",
}

WARNED_WHEN_NOT_REPAIRED: frozenset[Kind] = frozenset({"deprecated", "insecure"})
"""These are shown with a warning when no repair works; the other kinds are blocked."""


@dataclass(frozen=True)
class GuardConfig:
    """How the guard acts. `patch` repairs, and what it cannot repair it blocks or warns about."""

    actions: Mapping[Kind, Policy] = field(default_factory=lambda: dict(DEFAULT_ACTIONS))
    """What to do about each kind of finding; kinds left out keep their default."""
    disabled_rules: frozenset[str] = frozenset()
    """Rules that are never reported, by their name (`S602`, `aws-access-key-id`, ...)."""
    python: str | None = None
    """The workspace's interpreter, whose packages the deprecation index covers; None is our own."""
    cache: Path | None = None
    """Folder for the index of each package version; None keeps the index in memory only."""
    index_packages: bool = True
    """Build the index of the workspace in the background; False leaves only the shipped table."""
    allow: Path | None = None
    """File of the rules that a person allows for good (`unsay allow`); None: there is none."""
    rules: Path | None = None
    """Folder of a person's own rule files; a workspace's lie in its `.unsay/rules`."""
    typing_ms: float = 50.0
    """Processor time that all checks before an answer may take together. A check that has not begun
    by then is made in the background, after the answer, and may take the suggestion back."""
    budget_ms: float = 250.0
    """Processor time that one detector may spend on a suggestion. One that needs more is asked
    again in the background; those for secrets and the ledger count as failed instead."""
    background_ms: float = 5000.0
    """Processor time that one detector may spend in the background."""
    ruff_ms: float = 50.0
    """How long to wait for the ruff child before bandit is asked instead."""
    repair_ms: float = 1500.0
    """How long all repairs of one suggestion may take together; a decode under way is ended."""
    redecode_tries: int = 3
    """How often the engine may be asked for another way on."""
    fail: Literal["closed", "open"] = "closed"
    """When a detector cannot run, `closed` blocks the suggestion and `open` lets it pass."""

    def __post_init__(self) -> None:
        for kind, policy in self.actions.items():
            if kind not in KINDS:
                raise BadGuardConfig(f"actions: '{kind}' is no kind; use one of {', '.join(KINDS)}")
            if policy not in get_args(Policy):
                raise BadGuardConfig(
                    f"actions: '{policy}' for {kind} is no action; use block, patch, warn or off"
                )
        for name in ("typing_ms", "budget_ms", "background_ms", "ruff_ms", "repair_ms"):
            if not getattr(self, name) > 0:
                raise BadGuardConfig(f"{name} must be a number of milliseconds above 0")
        if self.redecode_tries < 0:
            raise BadGuardConfig("redecode_tries must be 0 or more")
        if self.fail not in ("closed", "open"):
            raise BadGuardConfig(f"fail: '{self.fail}' is unknown; use closed or open")

    def policy(self, kind: Kind) -> Policy:
        """What to do about findings of `kind`."""
        return self.actions.get(kind, DEFAULT_ACTIONS[kind])
