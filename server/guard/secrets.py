"""Finds secrets in a suggestion: provider formats, secret-sounding names, detect-secrets' plugins.

What already stands in the text around the suggestion is the user's own and is not reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.guard.credential_shapes import find_shaped
from server.guard.deadline import Deadline
from server.guard.environment import environment_lookup, placeholder
from server.guard.finding import Case, Finding, Severity
from server.guard.languages import family, file_name
from server.guard.named_secrets import NamedSecrets
from server.guard.personal import personal_addresses
from server.guard.plugin_scan import PluginHit, format_hits, named_hits
from server.guard.secret_names import names_a_hash, strength
from server.guard.secret_shapes import is_placeholder
from server.guard.secret_values import could_be_secret
from server.guard.secret_words import Words, words_in
from server.guard.stitched import Stitched, touched_lines
from server.guard.taken import Taken
from server.guard.text_lines import TextLines
from server.guard.token_checks import is_drawn
from server.guard.tokens import find_tokens

CWE = "CWE-798"
PERSONAL_CWE = "CWE-359"
LEAST_CHARS = 4
"""Of a secret that the user began, this much must come from the suggestion."""
LEAST_REPEATED_CHARS = 6
"""A found secret is looked for again in the rest of the suggestion if it is this long."""
MOST_REPEATS = 20
_OPEN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?!.*-----END)", re.S)
_WHOLE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?P<body>[^-]{16,8000})"
    r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_-]{12,}")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{16,}")


@dataclass(frozen=True, slots=True)
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
    is_deferred = False

    def __init__(self, budget_ms: float) -> None:
        self._budget_ms = budget_ms

    def find(self, case: Case) -> Sequence[Finding]:
        """Every secret that the suggestion adds; raises OutOfTime on input that takes too long."""
        lines = touched_lines(case)
        deadline = Deadline("the secrets check", self._budget_ms)
        pieces = TextLines(lines.text, is_settings=family(case.language) == "settings")
        found: list[Finding] = []
        taken = Taken()
        values: dict[str, _Hit] = {}
        for hit in self._hits(case, lines, pieces, deadline):
            deadline.keep()
            span = lines.span(hit.start, hit.end)
            if span is None or taken.overlaps(hit.start, hit.end):
                continue
            if span[1] - span[0] < min(LEAST_CHARS, hit.end - hit.start):
                continue
            value = lines.text[hit.start : hit.end]
            if value in values or not (value in case.prefix or value in case.suffix):
                taken.add(hit.start, hit.end)
                values.setdefault(value, hit)
                found.append(_finding(case, lines, hit, span, pieces))
        for hit in _repeated(lines.text, values, taken):
            deadline.keep()
            if (span := lines.span(hit.start, hit.end)) is not None:
                found.append(_finding(case, lines, hit, span, pieces))
        return sorted(found, key=lambda finding: finding.start)

    def status(self) -> str:
        return "ok"

    def close(self) -> None:
        """Nothing is held."""

    def _hits(
        self, case: Case, lines: Stitched, pieces: TextLines, deadline: Deadline
    ) -> Iterator[_Hit]:
        words = words_in(lines.text, deadline)
        yield from _key_hits(case, lines)
        yield from _provider_hits(lines.text, words)
        for shaped in find_shaped(lines.text, words.shapes):
            yield _Hit(shaped.rule, shaped.what, shaped.start, shaped.end)
        named = NamedSecrets(lines.text, pieces)
        for count, (start, end) in enumerate(words.names):
            if count % 16 == 0:
                deadline.keep()
            for short, value_start, value_end in named.around(start, end):
                what = f"A secret for `{short}`"
                yield _Hit("secret-in-a-literal", what, value_start, value_end)
        yield from _plugin_hits(case.language, words, pieces, named.unsettled, deadline)
        if words.has_mail:
            for start, end in personal_addresses(lines.text):
                what = "A person's e-mail address"
                yield _Hit("personal-email", what, start, end, severity="low")


def _provider_hits(text: str, words: Words) -> Iterator[_Hit]:
    for token in find_tokens(text, words.formats):
        kind = token.format
        what = f"{kind.name}, whose checksum fits," if token.is_verified else kind.name
        severity = "medium" if kind.beside else "high"
        yield _Hit(kind.rule, what, token.start, token.end, kind.environment, severity)


def _key_hits(case: Case, lines: Stitched) -> Iterator[_Hit]:
    """A private key, or the body of one whose first line the user has typed."""
    if "PRIVATE KEY" in lines.text:
        for match in _WHOLE_KEY.finditer(lines.text):
            if not is_placeholder(match["body"]):
                yield _Hit("private-key", "A private key", *match.span(), "PRIVATE_KEY")
    if "PRIVATE KEY" in case.prefix[-4000:] and _OPEN_KEY.search(case.prefix[-4000:]):
        body = _KEY_BODY.search(lines.text, lines.start)
        if body is not None:
            yield _Hit("private-key", "A private key", body.start(), body.end())


def _plugin_hits(
    language: str, words: Words, pieces: TextLines, unsettled: Sequence[int], deadline: Deadline
) -> Iterator[_Hit]:
    filename = file_name(language)
    done: set[tuple[int, int]] = set()
    for offset, index in words.plugins:
        deadline.keep()
        piece = pieces.at(offset)
        if (piece.offset, index) not in done:
            done.add((piece.offset, index))
            for hit in format_hits(piece.line.text, filename, index):
                at = piece.line.text.find(hit.value)
                # Some plugins return only a part (`ghp`), some look inside longer words.
                if len(hit.value) >= 12 and not piece.line.text[max(0, at - 1) : at].isalnum():
                    yield from _plugin_hit(hit, piece.offset + at, "high")
    for offset in unsettled:
        deadline.keep()
        piece = pieces.at(offset)
        if not _LONG_WORD.search(piece.line.text):
            continue
        for hit in named_hits(piece.line.text, filename):
            at = piece.line.text.find(hit.value)
            name = piece.line.name_before(at)
            if could_be_secret(hit.value, strength(name)) and not names_a_hash(name):
                yield from _plugin_hit(hit, piece.offset + at, "medium")


def _plugin_hit(hit: PluginHit, start: int, severity: Severity) -> Iterator[_Hit]:
    if is_drawn(hit.value):
        what = f"What looks like a secret ({hit.label})"
        yield _Hit(hit.rule, what, start, start + len(hit.value), None, severity)


def _repeated(text: str, values: dict[str, _Hit], taken: Taken) -> Iterator[_Hit]:
    """The places where a secret that was found stands once more."""
    for value, hit in values.items():
        at = text.find(value) if len(value) >= LEAST_REPEATED_CHARS else -1
        for _ in range(MOST_REPEATS):
            if at < 0:
                break
            end = at + len(value)
            is_whole = not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum())
            if is_whole and not taken.overlaps(at, end):
                yield _Hit(hit.rule, hit.what, at, end, hit.environment, hit.severity)
            at = text.find(value, end)


def _finding(
    case: Case, lines: Stitched, hit: _Hit, span: tuple[int, int], pieces: TextLines
) -> Finding:
    start, end = span
    if hit.rule == "personal-email":
        message = f"{hit.what} stands in the text; leave it out or use one of example.com."
        return Finding("secret", hit.rule, PERSONAL_CWE, start, end, message, None, hit.severity)
    message = f"{hit.what} stands in the code; read it from the environment or a secret store."
    lookup = environment_lookup(case.language, lines, pieces, hit.start, hit.end, hit.environment)
    lookup = lookup or placeholder(lines, pieces, hit.start, hit.environment)
    if lookup is None:
        return Finding("secret", hit.rule, CWE, start, end, message, None, hit.severity)
    return Finding(
        "secret", hit.rule, CWE, lookup.start, lookup.end, message, lookup.text, hit.severity
    )
