"""A glimpse of a ledger item for a list on a screen: enough to tell it, never a secret."""

from __future__ import annotations

import re

from store.records import Item

SHOWN_CHARS = 60

# what looks like a key: long, unbroken, letters and digits mixed
_KEY_LIKE = re.compile(r"(?=[\w+/=~.\-]*\d)(?=[\w+/=~.\-]*[A-Za-z])[\w+/=~\-]{12,}")
_QUOTED = re.compile(r"""(["'])(?:\\.|(?!\1).)*\1""", re.DOTALL)


def preview(item: Item) -> str | None:
    """The beginning of the blamed text, masked; None once the text is destroyed."""
    blamed = item.blamed
    if blamed is None:
        return None
    if item.kind == "secret":
        return f"•••• ({item.blamed_chars} characters)"
    line = " ".join(blamed.split())
    if item.kind == "user":  # a person may have unsaid a secret without calling it one
        line = _QUOTED.sub(lambda found: f"{found.group(1)}••••{found.group(1)}", line)
    line = _KEY_LIKE.sub("••••", line)
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + "…"
