"""Finds copies of installed packages, and licence headers that belong to someone else's code.

It says "copied from a package that you have", not "from the internet": what is on this disk is
all that it compares with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from server.guard.copy_index import CopyIndex, Origin
from server.guard.finding import Case, Finding
from server.guard.licences import ADVICE, SEVERITY, UNKNOWN, terms
from server.guard.notices import Notice, find_notice
from server.guard.winnow import (
    GRAM_TOKENS,
    LEAST_TOKENS,
    Fingerprints,
    Tokens,
    grams,
    squeezed,
    tokens,
    winnowed,
)

LEAST_KNOWN = 3
LEAST_SHARE = 1 / 3
"""Of a suggestion's fingerprints, so many must come from packages: one new name changes a half."""
LEAST_FROM_ONE_FILE = 4
"""Or so many from one file, whatever else is suggested: 50 tokens in a row, about."""
MOST_CHARS = 20_000
MOST_OWN_CHARS = 60_000
_PIECE_TOKENS = (GRAM_TOKENS + 1) // 2


class LicensedDetector:
    """Copies of the packages of an interpreter and of `roots`, and licence headers."""

    name = "licensed"
    is_deferred = False

    def __init__(
        self,
        python: str | None,
        cache: Path | None,
        is_building: bool,
        roots: Sequence[Path] = (),
    ) -> None:
        self._index = CopyIndex(python, cache, roots or _workspace(python))
        if is_building:
            self._index.start()

    def find(self, case: Case) -> Sequence[Finding]:
        notice = find_notice(case)
        found = [] if notice is None else [_of_notice(notice)]
        copied = self._copied(case)
        return found if copied is None else [*found, copied]

    def status(self) -> str:
        return self._index.status()

    def wait(self, seconds: float) -> bool:
        """Whether the index is complete, after waiting at most `seconds`."""
        return self._index.wait(seconds)

    def close(self) -> None:
        self._index.close()

    def _copied(self, case: Case) -> Finding | None:
        text = case.suggestion[:MOST_CHARS]
        if self._index.is_empty or len(text) < LEAST_TOKENS:
            return None
        found = tokens(text)
        if len(found) < LEAST_TOKENS:
            return None
        runs = grams(found.hashes)
        prints = winnowed(runs)
        known = prints[self._index.known(prints)]
        if len(known) < LEAST_KNOWN:
            return None
        if _may_repeat(found, text, case):
            own = _own(case)
            prints, known = _without(prints, own), _without(known, own)
        origin = self._index.origin(known)
        if origin is None or not _is_copy(known, prints, origin) or _is_itself(case, origin):
            return None
        return _of_copy(origin, found, np.flatnonzero(np.isin(runs, known)).tolist())


def _is_copy(known: Fingerprints, prints: Fingerprints, origin: Origin) -> bool:
    is_share = len(known) >= max(LEAST_KNOWN, LEAST_SHARE * len(prints))
    return is_share or origin.shared >= LEAST_FROM_ONE_FILE


def _may_repeat(found: Tokens, text: str, case: Case) -> bool:
    """Whether a run that makes a fingerprint may stand in the user's own text.

    Each such run holds a whole piece, and a text with the same tokens has the same letters.
    """
    own = [squeezed(side) for side in _sides(case)]
    return any(
        piece in side
        for first in range(0, len(found) - _PIECE_TOKENS + 1, _PIECE_TOKENS)
        for piece in [squeezed(text[found.starts[first] : found.ends[first + _PIECE_TOKENS - 1]])]
        for side in own
    )


def _own(case: Case) -> Fingerprints:
    """What the user's own text says around the suggestion."""
    return np.concatenate([grams(tokens(side).hashes) for side in _sides(case)])


def _sides(case: Case) -> tuple[str, str]:
    return case.prefix[-MOST_OWN_CHARS:], case.suffix[:MOST_OWN_CHARS]


def _without(prints: Fingerprints, own: Fingerprints) -> Fingerprints:
    return prints[~np.isin(prints, own)]


def _is_itself(case: Case, origin: Origin) -> bool:
    """Whether the file that is edited is the one that the text comes from."""
    return "/" in origin.file and (case.path or "").replace("\\", "/").endswith(origin.file)


def _of_copy(origin: Origin, found: Tokens, places: list[int]) -> Finding:
    meaning = terms(origin.licence)
    licence = "an unknown licence" if origin.licence == UNKNOWN else origin.licence
    message = (
        f"This is word for word in {origin.package} {origin.version} ({origin.file}), which is"
        f" under {licence}: {ADVICE[meaning]}."
    )
    start, end = int(found.starts[places[0]]), int(found.ends[places[-1] + GRAM_TOKENS - 1])
    return Finding(
        "licensed", "copied-from-package", None, start, end, message, None, SEVERITY[meaning]
    )


def _of_notice(notice: Notice) -> Finding:
    if notice.licence is None:
        message = (
            "This is a copyright notice that you did not write, so the code below it may be a copy:"
            " leave it out, or find out whose it is."
        )
    else:
        message = (
            f"This is a licence header ({notice.licence}) that you did not write, so the code below"
            f" it may be a copy: {ADVICE[notice.terms]}."
        )
    severity = SEVERITY[notice.terms]
    return Finding(
        "licensed", "licence-header", None, notice.start, notice.end, message, None, severity
    )


def _workspace(python: str | None) -> tuple[Path, ...]:
    """The folder around the environment of `python` (`<folder>/.venv/bin/python`), if it has
    JavaScript packages too."""
    if python is None or len(Path(python).parents) < 3:
        return ()
    folder = Path(python).parents[2]
    return (folder,) if (folder / "node_modules").is_dir() else ()
