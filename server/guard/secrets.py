"""Finds secrets in a suggestion: provider formats, secret-sounding names, detect-secrets' plugins.

What already stands in the text around the suggestion is the user's own and is not reported.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from server.guard.environment import environment_lookup
from server.guard.errors import OutOfTime
from server.guard.finding import Case, Finding, Severity
from server.guard.languages import family, file_name
from server.guard.literals import Literal, bare_values, quoted_literals
from server.guard.plugin_scan import PluginHit, plugin_hits
from server.guard.secret_shapes import (
    could_be_secret,
    is_ordinary,
    is_placeholder,
    names_a_hash,
    names_a_secret,
)
from server.guard.stitched import Stitched, touched_lines
from server.guard.tokens import find_tokens

CWE = "CWE-798"
MOST_CHUNK_CHARS = 2000
"""Longer lines are looked at in pieces: some plugins' patterns take quadratic time."""
OVERLAP_CHARS = 200
LEAST_CHARS = 4
"""Of a secret that the user began, this much must come from the suggestion."""
_OPEN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?!.*-----END)", re.S)
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{16,}")
_KEYLIKE_NAME = re.compile(r"(?i)key|token|secret|credential|auth|bearer|nonce|cookie|session")
_INDIRECT = re.compile(r"[\w.-]\[$|(?:get|getenv|environ|header|lookup|field)\w*\(\s*$", re.I)


@dataclass(frozen=True)
class _Hit:
    """A secret in the stitched text."""

    rule: str
    what: str
    """`An AWS access key`."""
    start: int
    end: int
    environment: str | None = None
    severity: Severity = "high"


class SecretDetector:
    """Secrets in the lines that the suggestion touches."""

    name = "secrets"

    def __init__(self, budget_ms: float) -> None:
        self._budget_ms = budget_ms

    def find(self, case: Case) -> Sequence[Finding]:
        """Every secret that the suggestion adds; raises OutOfTime on input that takes too long."""
        lines = touched_lines(case)
        literals: list[Literal] = []
        found: list[Finding] = []
        taken: list[tuple[int, int]] = []
        for hit in list(self._hits(case, lines, literals)):  # all literals before the first look-up
            span = lines.span(hit.start, hit.end)
            if span is None or any(a < hit.end and hit.start < b for a, b in taken):
                continue
            if span[1] - span[0] < min(LEAST_CHARS, hit.end - hit.start):
                continue
            value = lines.text[hit.start : hit.end]
            if value in case.prefix or value in case.suffix:
                continue
            taken.append((hit.start, hit.end))
            found.append(_finding(case, lines, hit, span, literals))
        return sorted(found, key=lambda finding: finding.start)

    def status(self) -> str:
        return "ok"

    def close(self) -> None:
        """Nothing is held."""

    def _hits(self, case: Case, lines: Stitched, literals: list[Literal]) -> Iterator[_Hit]:
        deadline = time.thread_time() + self._budget_ms / 1000
        yield from _provider_hits(lines.text)
        yield from _open_key_hits(case, lines)
        pieces = list(_pieces(lines.text))
        for offset, piece in pieces:
            _keep_time(deadline)
            for literal in _literals(piece, case.language):
                literal = _moved(literal, offset)
                literals.append(literal)
                if (hit := _named_hit(lines.text, literal)) is not None:
                    yield hit
        for offset, piece in pieces:
            _keep_time(deadline)
            yield from _plugin_hits(piece, offset, case.language, literals)


def _keep_time(deadline: float) -> None:
    if time.thread_time() > deadline:
        raise OutOfTime("the secrets check ran out of time: the suggestion is too long or too odd")


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Lines, and overlapping pieces of very long ones, each with its offset."""
    offset = 0
    for line in text.split("\n"):
        step = MOST_CHUNK_CHARS - OVERLAP_CHARS
        for start in range(0, max(1, len(line) - OVERLAP_CHARS), step):
            yield offset + start, line[start : start + MOST_CHUNK_CHARS]
        offset += len(line) + 1


def _literals(line: str, language: str) -> Iterator[Literal]:
    yield from quoted_literals(line)
    if family(language) == "settings":
        yield from bare_values(line)


def _moved(literal: Literal, by: int) -> Literal:
    return replace(
        literal,
        start=literal.start + by,
        end=literal.end + by,
        quoted_start=literal.quoted_start + by,
        quoted_end=literal.quoted_end + by,
    )


def _provider_hits(text: str) -> Iterator[_Hit]:
    for token in find_tokens(text):
        value = text[token.start : token.end]
        is_weak = token.format.rule == "connection-string" and is_ordinary(value)
        if is_weak or (token.format.rule != "private-key" and is_placeholder(value)):
            continue
        rule, what = token.format.rule, token.format.name
        yield _Hit(rule, what, token.start, token.end, token.format.environment)


def _open_key_hits(case: Case, lines: Stitched) -> Iterator[_Hit]:
    """The body of a private key whose first line the user has typed."""
    if "PRIVATE KEY" in case.prefix[-4000:] and _OPEN_KEY.search(case.prefix[-4000:]):
        body = _KEY_BODY.search(lines.text, lines.start)
        if body is not None:
            yield _Hit("private-key", "A private key", body.start(), body.end())


def _named_hit(text: str, literal: Literal) -> _Hit | None:
    """A literal given to something whose name says that it holds a secret."""
    value = text[literal.start : literal.end]
    name = literal.name.rsplit(".", 1)[-1]
    if literal.sign == "," or not names_a_secret(name) or _INDIRECT.search(name + literal.sign):
        return None
    if literal.sign in ("==", "!=", "===", "!==") and len(value) < 12:
        return None
    if not could_be_secret(value, name):
        return None
    return _Hit("secret-in-a-literal", f"A secret for `{name}`", literal.start, literal.end)


def _plugin_hits(
    line: str, offset: int, language: str, literals: Sequence[Literal]
) -> Iterator[_Hit]:
    for hit in plugin_hits(line, file_name(language)):
        at = line.find(hit.value)
        if at < 0 or is_placeholder(hit.value):
            continue
        # Some plugins return only a part (`ghp`), some look inside longer words.
        if hit.is_format and (len(hit.value) < 12 or line[max(0, at - 1) : at].isalnum()):
            continue
        start = offset + at
        named = [one.name for one in literals if one.start <= start < one.end]
        name = named[0] if named else ""
        if not hit.is_format and not _is_credible(hit, name):
            continue
        severity = "high" if hit.is_format else "medium"
        yield _Hit(
            hit.rule,
            f"What looks like a secret ({hit.label})",
            start,
            start + len(hit.value),
            severity=severity,
        )


def _is_credible(hit: PluginHit, name: str) -> bool:
    """Whether a keyword or entropy hit is borne out by the name of what holds it."""
    if hit.rule == "secret-keyword":
        return could_be_secret(hit.value, name) and not (name and not names_a_secret(name))
    if is_ordinary(hit.value) or names_a_hash(name):
        return False
    return names_a_secret(name) or (
        hit.rule == "base64-high-entropy-string" and bool(_KEYLIKE_NAME.search(name))
    )


def _finding(
    case: Case, lines: Stitched, hit: _Hit, span: tuple[int, int], literals: Sequence[Literal]
) -> Finding:
    start, end = span
    message = f"{hit.what} stands in the code; read it from the environment or a secret store."
    lookup = environment_lookup(case, lines, hit.start, hit.end, hit.environment, literals)
    if lookup is None:
        return Finding("secret", hit.rule, CWE, start, end, message, None, hit.severity)
    return Finding(
        "secret", hit.rule, CWE, lookup.start, lookup.end, message, lookup.text, hit.severity
    )
