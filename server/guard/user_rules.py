"""Rules that a person writes without code: TOML files in the home and in the workspace.

    [no-print]
    languages = ["python"]
    cwe = "CWE-532"
    severity = "low"
    pattern = '\\bprint\\('
    message = "print is not for our services; use the log."
    replacement = "log.info("
    bad = 'print("done")'
    good = 'log.info("done")'

`pattern` is RE2; its first group is the blamed span, or the whole match. A rule whose `bad` is not
found, or whose `good` is, is refused.
"""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast, get_args

import re2  # pyright: ignore[reportMissingTypeStubs]

from server.guard.errors import BadRule
from server.guard.finding import Case, Finding, Severity
from server.guard.languages import family
from server.guard.stitched import surrounded
from store.records import KINDS, Kind

_RE2: Any = re2
BEFORE_CHARS = 1000
AFTER_CHARS = 300
WORKSPACE_FOLDER = Path(".unsay") / "rules"
LOOK_AGAIN_S = 2.0
MOST_RULES = 200
"""In one folder; a workspace must not be able to slow the guard down."""
MOST_FILE_BYTES = 200_000
MOST_WORKSPACES = 20
_FIELDS = frozenset(
    ("kind", "languages", "cwe", "severity", "pattern", "message", "replacement", "bad", "good")
)


@dataclass(frozen=True)
class UserRule:
    """One table of a rule file."""

    rule: str
    kind: Kind
    languages: frozenset[str]
    """LSP identifiers or families; `*` is any."""
    cwe: str | None
    severity: Severity
    pattern: Any
    message: str
    replacement: str | None

    def covers(self, language: str) -> bool:
        return not self.languages.isdisjoint(("*", language, family(language)))

    def findings(self, case: Case) -> Iterator[Finding]:
        """Each place where the suggestion completes the pattern."""
        middle = surrounded(case, BEFORE_CHARS, AFTER_CHARS)
        text = middle.text.encode("utf-8", "replace").decode()  # RE2 takes no lone surrogates
        for match in self.pattern.finditer(text):
            group = match.re.groups and match.span(1)[0] >= 0
            blamed = match.span(1 if group else 0)
            span = middle.span(*blamed)
            if span is None:
                continue
            is_whole = span[1] - span[0] == blamed[1] - blamed[0]
            yield Finding(
                self.kind,
                self.rule,
                self.cwe,
                *span,
                self.message,
                self.replacement if is_whole else None,
                self.severity,
            )


@dataclass(frozen=True)
class RuleFolder:
    """What a folder's files hold."""

    stamp: tuple[tuple[str, int, int], ...]
    rules: tuple[UserRule, ...]
    refused: tuple[str, ...]
    """A sentence for each rule or file that is not used."""
    looked_at: float


class UserRules:
    """The rules of the home and, for a case that has one, of its workspace."""

    name = "rules"
    is_deferred = False

    def __init__(self, home: Path | None) -> None:
        self._home = home
        self._folders: dict[Path, RuleFolder] = {}
        self._lock = Lock()

    def find(self, case: Case) -> Sequence[Finding]:
        found = [
            finding
            for rule in self._rules(case)
            if rule.covers(case.language)
            for finding in rule.findings(case)
        ]
        return sorted(found, key=lambda one: one.start)

    def status(self) -> str:
        """`ok`, or what is wrong with each rule that is not used."""
        if self._home is not None:
            self._folder(self._home)
        with self._lock:
            refused = [said for folder in self._folders.values() for said in folder.refused]
        return " ".join(refused) or "ok"

    def close(self) -> None:
        """Nothing is held."""

    def _rules(self, case: Case) -> tuple[UserRule, ...]:
        rules = self._folder(self._home).rules if self._home is not None else ()
        if case.workspace is not None:
            rules += self._folder(Path(case.workspace) / WORKSPACE_FOLDER).rules
        return rules

    def _folder(self, path: Path) -> RuleFolder:
        known = self._folders.get(path)
        now = time.monotonic()
        if known is not None and now - known.looked_at < LOOK_AGAIN_S:
            return known
        with self._lock:
            stamp = _stamp(path)
            if known is not None and known.stamp == stamp:
                fresh = replace(known, looked_at=now)
            else:
                rules, refused = _load(path, stamp)
                fresh = RuleFolder(stamp, rules, refused, now)
            self._folders[path] = fresh
            while len(self._folders) > MOST_WORKSPACES:
                del self._folders[next(iter(self._folders))]
        return fresh


def rule_of(name: str, row: Mapping[str, Any]) -> UserRule:
    """The rule that a table describes; raises BadRule saying what to change."""
    if unknown := sorted(row.keys() - _FIELDS):
        raise BadRule(f"'{unknown[0]}' is no field; there are {', '.join(sorted(_FIELDS))}")
    for field in ("pattern", "message", "bad", "good"):
        if not isinstance(row.get(field), str) or not row[field]:
            raise BadRule(f"'{field}' must be a text")
    for field in ("cwe", "replacement"):
        if not isinstance(row.get(field), str | None):
            raise BadRule(f"'{field}' must be a text")
    languages: Any = row.get("languages", ["*"])
    if not isinstance(languages, list) or not all(
        isinstance(one, str) for one in cast(list[Any], languages)
    ):
        raise BadRule("'languages' must be a list of language names")
    kind, severity = row.get("kind", "insecure"), row.get("severity", "medium")
    if kind not in KINDS:
        raise BadRule(f"'kind' must be one of {', '.join(KINDS)}")
    if severity not in get_args(Severity):
        raise BadRule("'severity' must be low, medium or high")
    try:
        pattern = _compiled(row["pattern"])
    except _RE2.error as error:
        raise BadRule(f"'pattern' is no RE2 expression ({error})") from error
    rule = UserRule(
        name,
        kind,
        frozenset(cast(list[str], languages)),
        row.get("cwe"),
        severity,
        pattern,
        row["message"],
        row.get("replacement"),
    )
    _verify(rule, row["bad"], row["good"])
    return rule


def _verify(rule: UserRule, bad: str, good: str) -> None:
    language = next(iter(rule.languages - {"*"}), "python")
    if not any(rule.findings(Case("", bad, "", language))):
        raise BadRule("its bad example is not found: change 'pattern' or 'bad'")
    if any(rule.findings(Case("", good, "", language))):
        raise BadRule("its good example is found: change 'pattern' or 'good'")


def _load(
    folder: Path, stamp: tuple[tuple[str, int, int], ...]
) -> tuple[tuple[UserRule, ...], tuple[str, ...]]:
    rules: list[UserRule] = []
    refused: list[str] = []
    for name, _, size in stamp:
        path = folder / name
        try:
            if size > MOST_FILE_BYTES:
                raise BadRule(f"it is larger than {MOST_FILE_BYTES} bytes: split it")
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, BadRule) as error:
            refused.append(f"{path} is not used: {error}.")
            continue
        for rule, row in table.items():
            try:
                if len(rules) >= MOST_RULES:
                    raise BadRule(f"there are more than {MOST_RULES} rules in the folder")
                if not isinstance(row, dict):
                    raise BadRule("a rule is a table, [name]")
                rules.append(rule_of(rule, cast(dict[str, Any], row)))
            except BadRule as error:
                refused.append(f"Rule '{rule}' of {path} is not used: {error}.")
    return tuple(rules), tuple(refused)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """The rule files with their time and size."""
    try:
        with os.scandir(folder) as entries:
            files = [(one.name, one.stat()) for one in entries if one.name.endswith(".toml")]
    except OSError:
        return ()
    return tuple(sorted((name, facts.st_mtime_ns, facts.st_size) for name, facts in files))


def _compiled(pattern: str) -> Any:
    options = _RE2.Options()
    options.log_errors = False
    return _RE2.compile(pattern, options)
