"""Which ledger items must be banned while a generation serves."""

from __future__ import annotations

import re

from store.records import BASE, Item

_NUMBERED = re.compile(r"g(\d+)-")


def number(generation: str) -> int:
    """The place of a generation in the order they were made; 0 for `base` and strange names."""
    found = _NUMBERED.match(generation)
    return 0 if generation == BASE or found is None else int(found.group(1))


def needs_ban(item: Item, generation: str) -> bool:
    """Whether the weights of `generation` may still say the item.

    A forgotten item is safe in the generation that forgot it and in later ones, for the gate of
    each looks at the whole ledger again. After a roll-back, or on the bare base, it is not.
    """
    if item.state == "withdrawn":
        return False
    if item.state != "forgotten" or item.forgotten_in is None:
        return True
    return number(generation) == 0 or number(generation) < number(item.forgotten_in)
