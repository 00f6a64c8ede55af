"""Ledger items said again in another form, ordinary code beside a full ledger, and what it costs.

The items are statements of the standard library's files; the ordinary code is from other files.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import io
import keyword
import os
import random
import statistics
import sysconfig
import time
import tokenize
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent

from benchmarks.guard.rows import Row, is_for_development
from server.guard.finding import Case
from server.guard.ledger_match import LedgerDetector
from store.records import Item

SEED = 13
ITEMS = 10_000
SAID = 500
FEW = 500
REPEATS = 3
"""Of each timing, of which the median is taken."""
WINDOW_LINES = 20
WINDOWS_A_FILE = 4
LEAST_CHARS, MOST_CHARS = 24, 400
_SIZES = ((20, "of 20 tokens or more"), (12, "of 12 to 19"), (0, "of fewer than 12"))
_KEPT = set(keyword.kwlist) | set(dir(builtins)) | {"self", "cls"}


def ledger_rows() -> list[Row]:
    """Rows for a ledger of 10,000 items."""
    rng = random.Random(SEED)
    files = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    # a hundred files of `encodings` are made from one pattern: they are variants of each other
    apart = {"site-packages", "test", "encodings"}
    files = [path for path in files if apart.isdisjoint(path.parts)]
    rng.shuffle(files)
    half = len(files) // 2
    statements = [(path.name, text) for path in files[:half] for text in _statements(path)]
    chosen = rng.sample(statements, min(ITEMS, len(statements)))
    items = [ledger_item(number, text) for number, (_, text) in enumerate(chosen)]
    detector = LedgerDetector()
    began = time.thread_time()
    detector.set_items(items)
    found = [Row("ledger of 10,000", "unsay", "set_items: s", time.thread_time() - began)]
    items.append(ledger_item(len(items), "one_more = made_later(than, all_others)"))
    began = time.thread_time()
    detector.set_items(items)
    found.append(Row("ledger of 10,000", "unsay", "one more item: s", time.thread_time() - began))
    for name, change in _CHANGES.items():
        found += _found_again("ledger of 10,000", name, change, detector, chosen, rng)
    windows = list(_windows(files[half:], rng))
    found += _ordinary("ledger of 10,000, other files", detector, windows)
    few = LedgerDetector()
    few.set_items(items[:FEW])
    found += _found_again("ledger of 500", "renamed", _all_renamed, few, chosen[:FEW], rng)
    return found + _ordinary("ledger of 500, other files", few, windows)


def ledger_item(number: int, text: str) -> Item:
    """A banned item whose whole `text` is blamed."""
    return Item(
        id=f"{number:032x}",
        created_at="2026-01-01T00:00:00.000Z",
        state="banned",
        kind="user",
        rule="benchmark",
        language="python",
        origin="person",
        path=None,
        prefix="",
        suffix="",
        target=text,
        start=0,
        end=len(text),
        replacement=None,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        context=str(number),
        blamed_chars=len(text),
        verified=0,
        forgotten_in=None,
        suggestion=None,
        message=None,
    )


def _statements(path: Path) -> Iterator[str]:
    """Statements of a few lines, as a person would select them."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = text.splitlines(keepends=True)
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or node.end_lineno is None:
            continue
        said = dedent("".join(lines[node.lineno - 1 : node.end_lineno])).strip()
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if LEAST_CHARS <= len(said) <= MOST_CHARS and not is_text:
            yield said


def _reformatted(text: str, rng: random.Random) -> str | None:
    """Other blanks, another kind of quote, lines broken inside brackets."""
    out, depth = list[str](), 0
    found = list(_tokens(text))
    if not _is_whole(text, found):
        return None
    for token, gap in found:
        if gap and "\n" in gap:
            out.append(gap)
        elif depth and rng.random() < 0.15:
            out.append("\n        ")
        elif gap or rng.random() < 0.3:
            out.append(" " if gap or not token.isalnum() else "")
        is_plain = token[:1] == "'" and token[-1:] == "'" and '"' not in token
        out.append('"' + token[1:-1] + '"' if is_plain and token[:3] != "'''" else token)
        depth += (token in "([{") - (token in ")]}") if len(token) == 1 else 0
    changed = "".join(out)
    return changed if changed != text else None


def _all_renamed(text: str, rng: random.Random) -> str | None:
    """Every variable under another name; members, what is called and keyword arguments stay."""
    found = list(_tokens(text))
    if not _is_whole(text, found):
        return None
    names = dict[str, str]()
    is_kept = list(_kept(found))
    for (token, _), kept in zip(found, is_kept, strict=True):
        if not kept:
            names.setdefault(token, f"other_{rng.randrange(10**6)}")
    if not names:
        return None
    out: list[str] = []
    for number, (token, gap) in enumerate(found):
        # a variable that is called somewhere is one there too; what a call names is not
        is_name = not is_kept[number] or _is_called(found, number)
        out += gap, names.get(token, token) if is_name else token
    return "".join(out)


def _kept(found: Sequence[tuple[str, str]]) -> Iterator[bool]:
    """For each token whether it is no variable: a member, called, a keyword argument, no name."""
    depth = 0
    for number, (token, _) in enumerate(found):
        before = found[number - 1][0] if number else ""
        after = found[number + 1][0] if number + 1 < len(found) else ""
        depth += (token in "([{") - (token in ")]}")
        is_argument = depth > 0 and before in ("(", ",") and after == "="
        is_name = token.isidentifier() and token not in _KEPT
        yield not is_name or before == "." or after == "(" or is_argument


def _is_called(found: Sequence[tuple[str, str]], number: int) -> bool:
    is_member = number > 0 and found[number - 1][0] == "."
    return not is_member and number + 1 < len(found) and found[number + 1][0] == "("


def _tail(text: str, rng: random.Random) -> str | None:
    """Without its first two characters: what a ban of the first token lets through."""
    return text[2:] if text[:3].isalpha() else None


_CHANGES: dict[str, Callable[[str, random.Random], str | None]] = {
    "said as it was": lambda text, rng: text,
    "reformatted": _reformatted,
    "renamed": _all_renamed,
    "tail": _tail,
}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Each token of Python with the blanks before it; nothing where it is none."""
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    end = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            start = lines[token.start[0] - 1] + token.start[1] if token.string.strip() else end
            if token.string.strip():
                yield token.string, text[end:start]
                end = start + len(token.string)
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return


def _is_whole(text: str, found: Sequence[tuple[str, str]]) -> bool:
    return "".join(gap + token for token, gap in found) == text


def _found_again(
    set: str,
    name: str,
    change: Callable[[str, random.Random], str | None],
    detector: LedgerDetector,
    chosen: Sequence[tuple[str, str]],
    rng: random.Random,
) -> list[Row]:
    """The share of items that are found in that form: of all, of those no rule was made on, and
    by how many tokens they have."""
    found: dict[str, list[bool]] = {}
    for source, text in chosen[:SAID]:
        said = change(text, rng)
        if said is None:
            continue
        is_found = bool(detector.find(Case("def f():\n    ", said + "\n", "", "python")))
        tokens = sum(1 for _ in _tokens(text))
        size = next(size for least, size in _SIZES if tokens >= least)
        held_out = () if is_for_development(source) else (", held out",)
        for which in ("", f", {size}", *held_out):
            found.setdefault(which, []).append(is_found)
    return [
        Row(set, "unsay", f"{name}: found{which}", statistics.fmean(hits))
        for which, hits in sorted(found.items())
    ]


def _windows(files: Sequence[Path], rng: random.Random) -> Iterator[tuple[str, str, str]]:
    for path in files:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        for _ in range(min(WINDOWS_A_FILE, len(lines) // (2 * WINDOW_LINES))):
            at = rng.randrange(len(lines) - WINDOW_LINES)
            before = "".join(lines[max(0, at - 300) : at])
            yield path.name, before, "".join(lines[at : at + WINDOW_LINES])


def _ordinary(
    set: str, detector: LedgerDetector, windows: Sequence[tuple[str, str, str]]
) -> list[Row]:
    times, flagged, hinted = list[float](), list[tuple[str, bool]](), 0
    exact = 0
    for source, before, text in windows:
        case = Case(before, text, "", "python")
        took: list[float] = []
        for _ in range(REPEATS):
            began = time.thread_time()
            findings = detector.find(case)
            took.append((time.thread_time() - began) * 1000)
        times.append(statistics.median(took))
        findings = detector.find(case)
        varied = [one for one in findings if one.message.startswith("Nearly")]
        exact += len(findings) > len(varied)
        sure = [one for one in varied if one.severity != "low"]
        hinted += len(varied) > len(sure)
        flagged.append((source, bool(sure)))
    held = [is_flagged for source, is_flagged in flagged if not is_for_development(source)]
    cuts = statistics.quantiles(times, n=100)
    return [
        Row(set, "unsay", "windows that say an item as it is", exact / len(windows)),
        Row(set, "unsay", "windows flagged as variants", statistics.fmean(f for _, f in flagged)),
        Row(set, "unsay", "windows hinted at as variants", hinted / len(windows)),
        Row(set, "unsay", "windows flagged as variants, held out", statistics.fmean(held)),
        Row(set, "unsay", "added p50 ms", cuts[49]),
        Row(set, "unsay", "added p95 ms", cuts[94]),
        Row(set, "unsay", "load average", round(os.getloadavg()[0], 1)),
    ]
