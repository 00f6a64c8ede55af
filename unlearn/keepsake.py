"""What is kept of a secret whose text is destroyed: what to say instead, not what it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Kept:
    """The sculpted target of one position; the forbidden token is not in it."""

    ids: tuple[int, ...]
    """Token ids, most probable first."""
    mass: tuple[float, ...]
    """Their probabilities, summing to 1."""


@dataclass(frozen=True)
class Keepsake:
    """The remains of one item."""

    lead: str
    """The target's text before the blamed span."""
    targets: dict[str, Kept]
    """By form, the sculpted target of the first blamed position."""


def write_keepsake(keepsake: Keepsake) -> str:
    """One line of text that stands in for the item's target."""
    return json.dumps(asdict(keepsake), sort_keys=True, separators=(",", ":"))


def read_keepsake(target: str) -> Keepsake:
    """The keepsake that stands where the target of a destroyed item stood."""
    found: dict[str, Any] = json.loads(target)
    targets = {
        form: Kept(tuple(kept["ids"]), tuple(kept["mass"]))
        for form, kept in found["targets"].items()
    }
    return Keepsake(found["lead"], targets)
