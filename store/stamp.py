"""When a row was made and what it is called."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta


def now() -> str:
    """The time in UTC, ISO 8601 with milliseconds and a trailing Z: sorts as text."""
    return _stamp(datetime.now(UTC))


def days_ago(days: float) -> str:
    """The time that many days back, in the form of `now`."""
    return _stamp(datetime.now(UTC) - timedelta(days=days))


def new_id() -> str:
    """32 hexadecimal digits that nothing else is called by."""
    return secrets.token_hex(16)


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
