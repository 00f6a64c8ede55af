"""Held-out lines to fill in, as an editor would ask for them, in the three prompt forms."""

import ast
import random
import re
import warnings
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from benchmarks.embedded_model.fim import Cut
from benchmarks.embedded_model.layout import END, MIDDLE, PREFIX, SEED, SUFFIX

PromptForm = Literal["spm", "psm", "left_to_right"]
FORMS: tuple[PromptForm, ...] = ("spm", "psm", "left_to_right")
PREFIX_CHARS = 1_200
SUFFIX_CHARS = 500


@dataclass(frozen=True)
class Hole:
    """One line of a held-out file without its indentation; the cut holds the whole file."""

    path: str
    cut: Cut

    @property
    def line(self) -> str:
        """What stood there."""
        return self.cut.middle


def held_out_holes(files: list[dict[str, Any]], count: int) -> list[Hole]:
    """`count` lines of different `files`: code of 10 to 80 characters, no comment."""
    rng = random.Random(SEED)
    files = rng.sample(files, len(files))
    holes: list[Hole] = []
    for file in files:
        text = file["text"]
        spans = [m for m in re.finditer(r"[^\n]+", text) if 10 <= len(m.group().strip()) <= 80]
        code = _code_lines(text)
        spans = [m for m in spans if text.count("\n", 0, m.start()) + 1 in code]
        if not spans:
            continue
        span = rng.choice(spans)
        start = span.end() - len(span.group().lstrip())
        cut = Cut(text[:start], text[start : span.end()], text[span.end() :])
        holes.append(Hole(f"{file['package']}/{file['path']}", cut))
        if len(holes) == count:
            break
    return holes


def _code_lines(text: str) -> set[int]:
    """Numbers of the lines on which a statement starts that is not a documentation string."""
    return {
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    }


def prompt(cut: Cut, form: PromptForm) -> list[str]:
    """The prompt as pieces, each either text or the name of a control token."""
    prefix, suffix = _near_prefix(cut.prefix), cut.suffix[:SUFFIX_CHARS]
    match form:
        case "spm":
            return [SUFFIX, suffix, PREFIX, prefix, MIDDLE]
        case "psm":
            return [PREFIX, prefix, SUFFIX, suffix, MIDDLE]
        case "left_to_right":
            # Between texts, as in training; a cursor deep in a file has none near it.
            return [END, prefix] if prefix == cut.prefix else [prefix]


def _near_prefix(prefix: str) -> str:
    """The last PREFIX_CHARS, from the start of a line."""
    near = prefix[-PREFIX_CHARS:]
    return near if near == prefix else near[near.find("\n") + 1 :]


def edit_similarity(given: str, wanted: str) -> float:
    """Between 0 and 1, from difflib's matching blocks."""
    return SequenceMatcher(None, given, wanted, autojunk=False).ratio()


def parses(hole: Hole, given: str) -> bool:
    """Whether the whole file parses with `given` in the hole; it did with the true line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(hole.cut.prefix + given + hole.cut.suffix)
        except (SyntaxError, ValueError):
            return False
    return True
