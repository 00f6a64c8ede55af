"""`unsay check`: the guard over files, standard input or JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from commands.failure import Failure
from commands.forget import read_text
from commands.settings import Settings

if TYPE_CHECKING:
    from server.guard.finding import Case
    from server.guard.guard import Guard

SUMMARY = """\
Run the guard. Each file is checked as if all of it had been suggested. On standard input (-),
JSON lines {id, language, path, prefix, suggestion, suffix} are recognised; other text is checked
as one file. Exits 1 when something is found: fit for a pre-commit hook."""
EXAMPLE = """\
unsay check src/*.py
unsay check --json - < suggestions.jsonl"""

FIELDS = ("id", "language", "path", "prefix", "suggestion", "suffix", "workspace")

LANGUAGES = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript",
    ".jsx": "javascriptreact", ".ts": "typescript", ".tsx": "typescriptreact", ".java": "java",
    ".c": "c", ".h": "c", ".cpp": "cpp", ".cc": "cpp", ".hpp": "cpp", ".cs": "csharp", ".go": "go",
    ".php": "php", ".rs": "rust", ".rb": "ruby", ".json": "json", ".yaml": "yaml", ".yml": "yaml",
    ".toml": "toml", ".sh": "shellscript",
}  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", default=["-"], help="files; - is standard input")
    parser.add_argument("--language", help="LSP language identifier (default: by the file's name)")
    parser.add_argument("--python", help="interpreter whose packages to judge by")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS", help=argparse.SUPPRESS)


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from commands.parts import guard_config
    from server.guard.guard import Guard

    guard = Guard(guard_config(settings, python=asked.python, budget_ms=5000.0))
    found = 0
    try:
        guard.wait(asked.wait)
        _warn(guard)
        for name, case, is_file in _cases(asked.files, asked.language):
            found += _report(guard, name, case, is_file=is_file, as_json=asked.json)
    finally:
        guard.close()
    return 1 if found else 0


def _warn(guard: Guard) -> None:
    """Say which of the person's own rules and which part of the list of the allowed is not used."""
    for part in ("rules", "allow"):
        if (said := guard.status()[part]) != "ok":
            print(f"unsay: {said}", file=sys.stderr)


def _report(guard: Guard, name: str, case: Case, *, is_file: bool, as_json: bool) -> int:
    """Say what was found, and how much; a file is judged as it stands, not repaired."""
    from server.guard.finding import Review

    if is_file:
        found = tuple(guard.check(case, is_own_text=True, with_deferred=True))
        review = Review(case.suggestion, "warned" if found else None, found, None)
    else:
        review = guard.review(case)
    if as_json:
        rows = [
            {
                key: value
                for key, value in asdict(finding).items()
                if key in ("kind", "rule", "cwe", "start", "end", "message", "replacement")
            }
            for finding in review.findings
        ]
        answer = {"id": name, "action": review.action, "text": review.text, "findings": rows}
        print(json.dumps(answer), flush=True)
    else:
        for finding in review.findings:
            before = case.suggestion[: finding.start]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            cwe = f" [{finding.cwe}]" if finding.cwe else ""
            print(f"{name}:{line}:{column}: {finding.kind} {finding.rule}{cwe} {finding.message}")
    return len(review.findings)


def _cases(files: list[str], language: str | None) -> Iterator[tuple[str, Case, bool]]:
    """Name, case, and whether it is a whole file."""
    from server.guard.finding import Case

    for file in files:
        if file == "-":
            yield from _standard_input(language)
        else:
            path = Path(file)
            known = language or LANGUAGES.get(path.suffix.lower(), "plaintext")
            whole, root = path.absolute(), Path.cwd()
            is_inside = whole.is_relative_to(root)
            inside = str(whole.relative_to(root) if is_inside else whole)
            folder = str(root) if is_inside else None
            yield file, Case("", read_text(path), "", known, inside, folder), True


def _standard_input(language: str | None) -> Iterator[tuple[str, Case, bool]]:
    from server.guard.finding import Case

    lines = iter(sys.stdin)
    first = next((line for line in lines if line.strip()), "")
    if not _is_case(first):
        yield "-", Case("", first + "".join(lines), "", language or "python", None), True
        return
    yield *_parse(first, 1, language), False
    for number, line in enumerate(lines, 2):
        if line.strip():
            yield *_parse(line, number, language), False


def _is_case(line: str) -> bool:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return False
    return isinstance(row, dict) and "suggestion" in row


def _parse(line: str, number: int, language: str | None) -> tuple[str, Case]:
    from server.guard.finding import Case

    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise Failure(f"line {number} is not JSON: {error.msg}", 2) from error
    if not isinstance(row, dict) or not isinstance(row.get("suggestion"), str):  # pyright: ignore[reportUnknownMemberType]
        raise Failure(f"line {number} is not an object with a text 'suggestion'", 2)
    given = cast(dict[str, Any], row)
    if unknown := sorted(given.keys() - set(FIELDS)):
        raise Failure(f"line {number} has the unknown field '{unknown[0]}'", 2)
    case = Case(
        given.get("prefix") or "",
        given["suggestion"],
        given.get("suffix") or "",
        given.get("language") or language or "python",
        given.get("path"),
        given.get("workspace"),
    )
    return str(given.get("id", number)), case
