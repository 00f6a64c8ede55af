"""Where a new adapter acts: directions that what must be forgotten has and what must stay has not.

LoRA adds B A x to what a linear layer makes of its input x. With A drawn by chance, the first
steps of B change everything a little and the terms that hold the rest to the base win it back
update by update. Here A begins so that A x is large at the blamed positions and small elsewhere:
the null-space constraint of model editing (AlphaEdit), softened to a ratio and put into LoRA's own
shape. Training may turn it from there: held fixed, it kept the rest less well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from unlearn.forward import hidden_at
from unlearn.lora import Student
from unlearn.teacher import Anchor, Lesson

RIDGE = 0.001
"""Of the mean variance of an input: directions that the kept texts hardly use count as this."""
FORGET_POSITIONS = 512
KEPT_POSITIONS = 16384
"""At most so many positions of either sort are looked at, evenly spread: many more kept ones than
a layer's input is wide."""

linalg: Any = torch.linalg  # does not state its types

Spot = tuple[Tensor, Tensor]
"""A row of ids (time,), and the indices in it of the tokens that are predicted."""


def aim(student: Student, lessons: Sequence[Lesson], retain: Sequence[Anchor]) -> None:
    """Set a new adapter's A matrices by `lessons` and `retain`."""
    changes = [lesson.pushed | lesson.wanted for lesson in lessons]
    forget = [(row.ids, row.positions[here]) for row, here in zip(lessons, changes, strict=True)]
    kept = [(anchor.ids, torch.arange(1, len(anchor.ids))) for anchor in retain]
    kept += [(row.ids, row.positions[~here]) for row, here in zip(lessons, changes, strict=True)]
    layers = student.layers()
    with student.as_base() as base:
        x_forget = _inputs(base, layers, _spread(forget, FORGET_POSITIONS))
        x_kept = _inputs(base, layers, _spread(kept, KEPT_POSITIONS))
    found: dict[int, Tensor] = {}  # layers that read the same input get the same directions
    for name, down in student.downs().items():
        x = x_forget[name]
        if len(x) == 0:
            continue
        if id(x) not in found:
            found[id(x)] = directions(x, x_kept[name], len(down))
        with torch.no_grad():
            down[: len(found[id(x)])] = found[id(x)].to(down)


def directions(forget: Tensor, kept: Tensor, count: int) -> Tensor:
    """The rows a that maximise |forget a|^2 / (|kept a|^2 + ridge |a|^2), (at most count, width).

    forget (positions, width) and kept (positions, width) are inputs of one layer. Solutions of
    the generalised eigenproblem of their second moments, largest first; each scaled to the output
    that a row drawn by LoRA's own rule would have at the positions to forget.
    """
    width = forget.shape[1]
    moment = kept.T @ kept / max(1, len(kept))
    ridge = RIDGE * moment.diagonal().mean().clamp(min=1e-12)
    moment.diagonal().add_(ridge)
    solved = torch.cholesky_solve(forget.T, cast(Tensor, linalg.cholesky(moment)))
    values, vectors = cast(tuple[Tensor, Tensor], linalg.eigh(forget @ solved))
    usable = min(count, int((values > values[-1] * 1e-6).sum()))
    rows = (solved @ vectors[:, -usable:].flip(-1)).T
    drawn = (forget.square().sum(-1).mean() / (3 * width)).sqrt()
    size = (rows @ forget.T).square().mean(-1, keepdim=True).sqrt()
    return rows * drawn / size.clamp(min=1e-12)


def _inputs(
    base: nn.Module, layers: dict[str, nn.Module], spots: Sequence[Spot]
) -> dict[str, Tensor]:
    """By layer, its inputs (positions, width) where the tokens of `spots` are predicted; equal
    inputs are one tensor."""
    seen: dict[str, Tensor] = {}

    def note(name: str) -> RemovableHandle:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            seen[name] = given[0]

        return layers[name].register_forward_pre_hook(hook)

    handles = [note(name) for name in layers]
    parts: dict[str, list[Tensor]] = {name: [] for name in layers}
    try:
        with torch.no_grad():
            for ids, places in spots:
                hidden_at(base, [ids], [places])
                taken = {id(x): x[0, places.to(x.device) - 1].float().cpu() for x in seen.values()}
                for name, x in seen.items():
                    parts[name].append(taken[id(x)])
    finally:
        for handle in handles:
            handle.remove()
    joined: dict[tuple[int, ...], Tensor] = {}
    for pieces in parts.values():
        key = tuple(id(piece) for piece in pieces)
        if key not in joined:
            joined[key] = torch.cat(pieces)
    return {name: joined[tuple(id(p) for p in pieces)] for name, pieces in parts.items()}


def _spread(spots: Sequence[Spot], most: int) -> list[Spot]:
    """The spots with at most about so many positions, evenly thinned out."""
    total = sum(len(places) for _, places in spots)
    step = max(1, -(-total // most))
    thinned = [(ids, places[i % step :: step]) for i, (ids, places) in enumerate(spots)]
    return [(ids, places) for ids, places in thinned if len(places)]
