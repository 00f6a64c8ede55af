"""Whether the candidate still says everything else as the base does."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from server.engine.load import LoadedModel
from server.engine.protocol import Ask, Engine
from unlearn.forward import hidden_at, length_sorted, project
from unlearn.methods import chosen_log_p, kl
from unlearn.retain import shipped_files

BATCH_TOKENS = 4096
CASES = 12
CASE_TOKENS = 24


@dataclass(frozen=True)
class Drift:
    """Paired figures over the held-out sequences, in nats per token."""

    loss_before: float
    """The base's."""
    loss_after: float
    rise: float
    """Relative."""
    low: float
    high: float
    """The rise's 95 % confidence interval, over sequences."""
    divergence: float
    """Mean KL(base || candidate)."""
    tokens: int


@dataclass(frozen=True)
class Health:
    """Shares of the suggestions in held-out functions."""

    parses: float
    empty: float
    repeats: float


def drift(base: Any, candidate: Any, rows: Sequence[Tensor]) -> Drift:
    """Compare two models, token by token, on the same sequences."""
    before, after, apart = list[float](), list[float](), list[float]()
    sizes = list[int]()
    with torch.no_grad():
        for batch in length_sorted([len(row) for row in rows], BATCH_TOKENS):
            chosen = [rows[i] for i in batch]
            places = [torch.arange(1, len(row)) for row in chosen]
            z0, z1 = (
                project(model, hidden_at(model, chosen, places)).float()
                for model in (base, candidate)
            )
            tokens = torch.cat([row[1:] for row in chosen]).to(z0.device)
            lengths = [len(place) for place in places]
            for values, into in (
                (-chosen_log_p(z0, tokens), before),
                (-chosen_log_p(z1, tokens), after),
                (kl(z0, z1), apart),
            ):
                into += [float(part.sum()) for part in torch.split(values, lengths)]
            sizes += lengths
    return _drift(*(torch.tensor(v, dtype=torch.float64) for v in (before, after, apart, sizes)))


def _drift(before: Tensor, after: Tensor, apart: Tensor, sizes: Tensor) -> Drift:
    total, loss = sizes.sum(), before.sum()
    rise = float((after.sum() - loss) / loss)
    # the ratio's variance by its linear form, so that long sequences count for more
    residual = (after - before) - rise * before
    error = float(residual.square().sum().sqrt() / loss)
    return Drift(
        loss_before=float(loss / total),
        loss_after=float(after.sum() / total),
        rise=rise,
        low=rise - 1.96 * error,
        high=rise + 1.96 * error,
        divergence=float(apart.sum() / total),
        tokens=int(total),
    )


def health(engine: Engine, loaded: LoadedModel, generation: str, seed: int) -> Health:
    """Let `generation` complete lines of whole functions and look at what it makes of them."""
    said: list[str] = []
    parsed = 0
    for prefix, suffix in function_cuts(seed):
        ask = Ask(
            prefix=prefix,
            suffix=suffix if loaded.fim is not None else None,
            max_tokens=CASE_TOKENS,
            stop=("\n",),
            bans=False,
            generation=generation,
            document=f"health {len(said)}",
        )
        (done,) = engine.complete(ask)
        said.append(done.text)
        parsed += _parses(prefix + done.text + suffix)
    count = max(1, len(said))
    return Health(
        parsed / count,
        sum(not text.strip() for text in said) / count,
        sum(_repeats(text) for text in said) / count,
    )


def function_cuts(seed: int, files: Sequence[Path] = ()) -> list[tuple[str, str]]:
    """Prefix and suffix around the rest of a line, in CASES whole functions of shipped code."""
    chance = random.Random(seed)
    found: list[tuple[str, str]] = []
    pool = list(files or shipped_files())
    for path in chance.sample(pool, min(len(pool), 4 * CASES)):
        source = path.read_text(encoding="utf-8", errors="replace")
        try:
            functions = [
                ast.get_source_segment(source, node) or ""
                for node in ast.parse(source).body
                if isinstance(node, ast.FunctionDef) and 4 <= _lines(node) <= 25
            ]
        except SyntaxError:
            continue
        if functions and len(found) < CASES:
            text = chance.choice(functions)
            lines = [at for at, c in enumerate(text) if c == "\n" and text[at + 1 :].strip()]
            start = chance.choice(lines) + 1
            line = text[start:].split("\n", 1)[0]
            cut = start + len(line) - len(line.lstrip()) + len(line.strip()) // 3
            found.append((text[:cut], text[start + len(line) :]))
    return found


def _lines(node: ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _repeats(text: str) -> bool:
    """Whether some piece of three characters or more stands four times in a row."""
    return any(
        text[i : i + size] * 4 == text[i : i + 4 * size] and text[i : i + size].strip()
        for size in range(3, len(text) // 4 + 1)
        for i in range(len(text) - 4 * size + 1)
    )
