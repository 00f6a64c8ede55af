"""How well secrets are found: CredData's windows by line, and providers' tokens beside look-alikes.

Windows with reviewed lines that are no secrets are hard, windows without any label are far. A
third of the projects and of the kinds of tokens could be looked at while the rules were written;
the rows `held out` are on the rest. (Two projects could be looked at; of all the windows an earlier
state of the rules was scored on samples.)
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.guard.rows import Row, data, is_for_development, json_lines
from benchmarks.guard.secret_tools import Flagged, Text, tools

WINDOWS = "secrets-creddata-windows"
TOKENS = "secrets-provider-tokens"
NO_GITLEAKS = (
    "gitleaks and trufflehog are no peers here: Debian 12 has neither, and what PyPI and npm call"
    " so is not from their makers. The tokens come from gitleaks' rules: it would find them all."
)


@dataclass(frozen=True)
class Window:
    """A labelled window."""

    text: Text
    origin: str
    secret_lines: frozenset[int]
    is_reviewed: bool
    """It has labels, be they of secrets or of others."""


@dataclass(frozen=True)
class Token:
    """A line with a provider's token, or with something like one."""

    text: Text
    kind: str
    is_token: bool


def rows() -> list[Row]:
    """The figures of all tools on both sets, whole and held out."""
    print(NO_GITLEAKS, flush=True)
    windows, tokens = list(_windows()), list(_tokens())
    found: list[Row] = []
    for name, flag in tools():
        lines = flag([window.text for window in windows])
        found += _window_rows(WINDOWS, name, windows, lines)
        kept = [n for n, window in enumerate(windows) if not is_for_development(window.origin)]
        part = [windows[n] for n in kept]
        found += _window_rows(f"{WINDOWS}, held out", name, part, [lines[n] for n in kept])
        lines = flag([token.text for token in tokens])
        found += _token_rows(TOKENS, name, tokens, lines)
        kept = [n for n, token in enumerate(tokens) if not is_for_development(token.kind)]
        held_out = [tokens[n] for n in kept]
        found += _token_rows(f"{TOKENS}, held out", name, held_out, [lines[n] for n in kept])
    return found


def _window_rows(set: str, tool: str, windows: Sequence[Window], flagged: Flagged) -> list[Row]:
    right = wrong = missed = 0
    hard: list[bool] = []
    far: list[bool] = []
    for window, lines in zip(windows, flagged, strict=True):
        right += len(lines & window.secret_lines)
        wrong += len(lines - window.secret_lines)
        missed += len(window.secret_lines - lines)
        if not window.secret_lines:
            (hard if window.is_reviewed else far).append(bool(lines))
    precision, recall = _share(right, right + wrong), _share(right, right + missed)
    measures = {
        "line precision": precision,
        "line recall": recall,
        "line F1": _share(2 * right, 2 * right + wrong + missed),
        "hard windows flagged": _share(sum(hard), len(hard)),
        "far windows flagged": _share(sum(far), len(far)),
    }
    return [Row(set, tool, measure, value) for measure, value in measures.items()]


def _token_rows(set: str, tool: str, tokens: Sequence[Token], flagged: Flagged) -> list[Row]:
    real = [bool(lines) for one, lines in zip(tokens, flagged, strict=True) if one.is_token]
    like = [bool(lines) for one, lines in zip(tokens, flagged, strict=True) if not one.is_token]
    return [
        Row(set, tool, "token recall", _share(sum(real), len(real))),
        Row(set, tool, "look-alikes flagged", _share(sum(like), len(like))),
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _windows() -> Iterator[Window]:
    for row in json_lines(data(WINDOWS, "windows.jsonl")):
        text = row["text"] if "text" in row else b64decode(row["text_b64"]).decode()
        secret = frozenset[int](row["true_lines"])
        is_reviewed = bool(secret or row["false_lines"])
        yield Window(Text(text, row["lang"]), row["origin"], secret, is_reviewed)


def _tokens() -> Iterator[Token]:
    for row in json_lines(data(TOKENS, "tokens.jsonl")):
        text = Text(b64decode(row["line_b64"]).decode(), "python")
        yield Token(text, row["rule"], row["label"] == 1)
