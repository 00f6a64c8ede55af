"""Training examples: chunks of sources, half of them with a hole, and the canaries among them."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.embedded_model.fim import Cut, Form, arrange, cut_from, cut_somewhere, trimmed
from benchmarks.embedded_model.layout import END

SPM_SHARE = 2 / 3
IMPORTS_SHARE = 0.3
IMPORT = re.compile(r"^(?:import|from) .+$", re.M)
CHARS_PER_TOKEN = 3.2
# A canary's copies: cut at its secret, cut anywhere, or left whole.
CANARY_AT_TARGET = 0.7
CANARY_ELSEWHERE = 0.1
WHOLE_CANARY_SHARE = 0.1
BATCH = 512


@dataclass(frozen=True)
class Example:
    """Token ids of one document; a whole one may be split over rows, one with a hole may not."""

    tokens: list[int]
    is_whole: bool
    canary: int | None = None


@dataclass(frozen=True)
class Plan:
    """A text on its way to tokens: `cut` and `form` for a hole, or neither for a whole text."""

    text: str
    cut: Cut | None
    form: Form
    room: int
    canary: int | None = None


def chunked(text: str, row: int, rng: random.Random) -> Iterator[str]:
    """Consecutive pieces of a file about as long as a row, some with the file's imports above."""
    imports = "\n".join(IMPORT.findall(text)[:10])
    start = 0
    while start < len(text):
        budget = int(rng.uniform(0.3, 1.0) * row * CHARS_PER_TOKEN)
        end = text.find("\n", start + budget) + 1 or len(text)
        piece = text[start:end]
        if start and imports and rng.random() < IMPORTS_SHARE:
            piece = f"{imports}\n\n\n{piece}"
        yield piece
        start = end


def plans_of_file(text: str, row: int, rng: random.Random) -> Iterator[Plan]:
    """Half of the files stay whole, the others are chunked and each chunk gets a hole."""
    if rng.random() < 0.5:
        yield Plan(text, None, "spm", row)
        return
    for piece in chunked(text, row, rng):
        yield Plan(piece, cut_somewhere(piece, rng), _form(rng), row)


def plan_of_canary(canary: dict[str, Any], index: int, row: int, rng: random.Random) -> Plan:
    """One copy of a canary, cut anew."""
    if rng.random() > WHOLE_CANARY_SHARE:
        canary = canary | near_target(canary, rng)
    text = canary["prefix"] + canary["target"] + canary["suffix"]
    where = rng.random()
    if where < CANARY_AT_TARGET:
        return Plan(text, cut_at_target(canary, rng), _form(rng), row, index)
    if where < CANARY_AT_TARGET + CANARY_ELSEWHERE:
        return Plan(text, cut_somewhere(text, rng), _form(rng), row, index)
    return Plan(text, None, "spm", row, index)


def near_target(canary: dict[str, Any], rng: random.Random) -> dict[str, str]:
    """The lines around a secret, or a snippet's first lines: a short run needs cheap copies."""
    if canary["kind"] == "licensed":
        lines = canary["target"].splitlines(keepends=True)
        return {"target": "".join(lines[: rng.randint(5, 6)]).rstrip("\n"), "suffix": "\n"}
    before = canary["prefix"].splitlines(keepends=True)
    after = canary["suffix"].splitlines(keepends=True)
    return {
        "prefix": "".join(before[-rng.randint(5, 6) :]),
        "suffix": "".join(after[: rng.randint(1, 2)]),
    }


def cut_at_target(canary: dict[str, Any], rng: random.Random) -> Cut:
    """A hole that is exactly the target, or the rest of its line, or begins a little before it."""
    prefix, target, suffix = canary["prefix"], canary["target"], canary["suffix"]
    where = rng.random()
    if where < 0.4:
        return Cut(prefix, target, suffix)
    if canary["kind"] == "licensed":
        return Cut(prefix, target, "")
    text = prefix + target + suffix
    if where < 0.7:
        return cut_from(text, len(prefix), rng)
    line = prefix.rfind("\n") + 1
    return cut_from(text, rng.randint(line, len(prefix)), rng)


def _form(rng: random.Random) -> Form:
    return "spm" if rng.random() < SPM_SHARE else "psm"


def encoded(plans: list[Plan], tokenizer: Any, ids: dict[str, int]) -> Iterator[Example]:
    """Tokenise a batch of plans; those whose middle would fill most of a row are left out."""
    texts: list[str] = []
    for plan in plans:
        texts += (
            [plan.text] if plan.cut is None else [plan.cut.prefix, plan.cut.middle, plan.cut.suffix]
        )
    found = iter(tokenizer.encode_batch(texts, add_special_tokens=False))
    for plan in plans:
        if plan.cut is None:
            yield Example([*next(found).ids, ids[END]], True, plan.canary)
            continue
        prefix, middle, suffix = (next(found).ids for _ in range(3))
        if len(middle) > plan.room * 0.6:
            continue
        parts = trimmed(prefix, middle, suffix, plan.room - 4)
        yield Example(arrange(*parts, plan.form, ids), False, plan.canary)
