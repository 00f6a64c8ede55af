"""What can go wrong in the guard.

GuardError
├── BadGuardConfig      a setting that makes no sense; the message names it and says what it takes
├── BadAllowList        the list of allowed rules cannot be read, changed or written
├── BadRule             a rule of a person's own that is refused; the message says what to change
└── DetectorFailed      a detector could not do its work on this suggestion
    ├── OutOfTime       it had not finished when its time budget was spent
    └── RuffUnavailable the ruff child is missing, dead or silent
"""

from __future__ import annotations


class GuardError(Exception):
    """Anything the guard raises."""


class BadGuardConfig(GuardError, ValueError):
    """A setting of the guard makes no sense."""


class BadAllowList(GuardError):
    """The list of allowed rules cannot be read, changed or written."""


class BadRule(GuardError):
    """A rule of a person's own that is refused."""


class DetectorFailed(GuardError):
    """A detector could not check a suggestion; under `fail = "closed"` nothing may be shown."""


class OutOfTime(DetectorFailed):
    """The time budget of one check was spent before the detector had seen everything."""


class RuffUnavailable(DetectorFailed):
    """The ruff child gave no answer in time; the caller falls back to bandit."""
