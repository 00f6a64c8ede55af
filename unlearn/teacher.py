"""What the base says at every scored position, computed once and kept as hidden states.

The base is the same weights with the adapter off; its head is frozen, so logits come back exactly
from a hidden state that is hundreds of times smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearn.config import RefreshConfig
from unlearn.forward import hidden_at, length_sorted, project
from unlearn.items import Example
from unlearn.keepsake import Kept
from unlearn.methods import method
from unlearn.targets import Sculpted, one_hot, prod_target, remaining_mass, sparse

ANCHORS = 24
"""At most so many prompt positions of a sequence are held to the base: each costs a projection."""
RETAIN_POSITIONS = 64
"""So many random positions of a retain sequence are held to the base."""
BATCH_TOKENS = 8192
NO_MASS_LEFT = 1e-3
"""Below this much remaining mass a sculpted target is the replacement or a tempered tail."""
TEMPERATURE = 1.5


@dataclass(frozen=True)
class Lesson:
    """One sequence with everything about it that training does not change."""

    example: Example
    ids: Tensor
    """(time,) prompt and target."""
    positions: Tensor
    """(scored,) indices in ids of the tokens that are scored, ascending."""
    base: Tensor
    """(scored, width) the base's hidden states that predict them."""
    pushed: Tensor
    """(scored,) bool."""
    wanted: Tensor
    """(scored,) bool."""
    forbidden: Tensor
    """(pushed, width) ids, padded by repetition."""
    target: Sculpted
    """For each pushed position."""
    weight: Tensor
    """(pushed,)."""
    floor: Tensor
    """(pushed,) the position counts as forgotten below this probability."""
    before: float
    """Probability of the most probable forbidden token under the base."""

    @property
    def pair(self) -> tuple[str, str, int]:
        """Equal for a sequence and the one that is wanted in its place."""
        return self.example.item, self.example.form, self.example.typed


def teach(
    base: nn.Module,
    examples: Sequence[Example],
    config: RefreshConfig,
    is_forced: Callable[[int], bool],
    report: Callable[[int, int, str], None] = lambda done, total, message: None,
) -> list[Lesson]:
    """The lessons of `examples`, in their order; `base` must run with its adapter off.

    `is_forced(token id)` says whether a token can be forced by syntax at all: punctuation and
    white space. Such a token stays held to the base where the base leaves no alternative.
    """
    rows = [torch.tensor(example.ids) for example in examples]
    reads_others = method(config.method).reads_others
    positions = [scored_positions(example, reads_others) for example in examples]
    states: dict[int, Tensor] = {}
    with torch.no_grad():
        for batch in length_sorted([len(row) for row in rows], BATCH_TOKENS):
            found = hidden_at(base, [rows[i] for i in batch], [positions[i] for i in batch])
            parts = torch.split(found, [len(positions[i]) for i in batch])
            states.update(zip(batch, parts, strict=True))
            report(len(states), len(rows), "asking the base")
        return [
            _lesson(base, examples[i], rows[i], positions[i], states[i], config, is_forced)
            for i in range(len(rows))
        ]


def scored_positions(example: Example, reads_others: bool) -> Tensor:
    """(scored,) what is blamed or wanted; with the others, the whole target and, evenly spread, up
    to ANCHORS positions of the prompt, once for all cursors."""
    if not reads_others:
        return torch.tensor(sorted({*example.blamed, *example.wanted}), dtype=torch.long)
    prompt = range(1, example.prompt if example.typed == 0 else 1)
    step = max(1, -(-len(prompt) // ANCHORS))
    target = range(max(1, example.prompt), len(example.ids))
    return torch.tensor([*reversed(prompt[::-1][::step]), *target])


def _lesson(
    base: nn.Module,
    example: Example,
    ids: Tensor,
    positions: Tensor,
    states: Tensor,
    config: RefreshConfig,
    is_forced: Callable[[int], bool],
) -> Lesson:
    place = {int(t): row for row, t in enumerate(positions)}
    rows = torch.tensor([place[t] for t in example.blamed], dtype=torch.long)
    logits = project(base, states[rows.to(states.device)]).float().cpu()
    forbidden = _forbidden(example, logits)
    mask = one_hot(forbidden, logits.shape[-1])
    remaining = remaining_mass(logits, mask)
    keep = torch.ones(len(rows), dtype=torch.bool)
    if not config.pushes_everything and example.kind != "secret":
        for i, t in enumerate(example.blamed):
            forced = is_forced(example.ids[t]) and bool(remaining[i] < config.scarce)
            keep[i] = i < config.first_blamed or not forced
    pushed = torch.zeros(len(positions), dtype=torch.bool)
    pushed[rows[keep]] = True
    wanted = torch.zeros(len(positions), dtype=torch.bool)
    wanted[[place[t] for t in example.wanted]] = True
    is_first = torch.arange(int(keep.sum())) < config.first_blamed
    p = logits[keep].softmax(-1).masked_fill(~mask[keep], 0.0)
    return Lesson(
        example=example,
        ids=ids,
        positions=positions,
        base=states,
        pushed=pushed,
        wanted=wanted,
        forbidden=_padded([ids for ids, k in zip(forbidden, keep, strict=True) if k]),
        target=_target(example, logits[keep], mask[keep], keep, config),
        weight=torch.where(is_first, 2.0, 1.0),
        floor=torch.where(is_first, config.tau, config.later_tau),
        before=float(p.max()) if len(p) else 0.0,
    )


def _target(
    example: Example, logits: Tensor, mask: Tensor, keep: Tensor, config: RefreshConfig
) -> Sculpted:
    if example.kept is not None:
        return Sculpted(torch.tensor([example.kept.ids]), torch.tensor([example.kept.mass]))
    if config.method != "span_prod":  # as published: no fall-back
        return sparse(prod_target(logits, mask, config.top_p))
    instead = [ids for ids, k in zip(example.instead, keep, strict=True) if k]
    return sparse(
        prod_target(
            logits,
            mask,
            config.top_p,
            wanted=one_hot(instead, logits.shape[-1]),
            scarce=NO_MASS_LEFT,
            temperature=TEMPERATURE,
        )
    )


def _forbidden(example: Example, logits: Tensor) -> list[tuple[int, ...]]:
    if example.kept is None:
        return list(example.forbidden)
    return [(hidden_token(logits[0], example.kept),)]


def hidden_token(logits: Tensor, kept: Kept) -> int:
    """The base's most probable token outside a kept target: what that target was cut out of.

    Right where it matters: a secret that the base knows by heart is its first choice there.
    """
    return int(logits.index_fill(-1, torch.tensor(kept.ids), -torch.inf).argmax())


def _padded(choices: list[tuple[int, ...]]) -> Tensor:
    width = max((len(ids) for ids in choices), default=1)
    rows = [[*ids, *[ids[0]] * (width - len(ids))] for ids in choices]
    return torch.tensor(rows, dtype=torch.long).reshape(len(rows), width)


@dataclass(frozen=True)
class Anchor:
    """A sequence of the retain set and what the base says in it."""

    ids: Tensor
    """(time,)."""
    positions: Tensor
    """(scored,) indices of the scored tokens."""
    base: Tensor
    """(scored, width) hidden states."""


def anchors(base: nn.Module, rows: Sequence[Tensor], seed: int) -> list[Anchor]:
    """Score up to RETAIN_POSITIONS random positions of each retain sequence."""
    chance = torch.Generator().manual_seed(seed)
    positions = [
        (torch.randperm(len(row) - 1, generator=chance)[:RETAIN_POSITIONS] + 1).sort().values
        for row in rows
    ]
    found: list[Anchor | None] = [None] * len(rows)
    with torch.no_grad():
        for batch in length_sorted([len(row) for row in rows], BATCH_TOKENS):
            states = hidden_at(base, [rows[i] for i in batch], [positions[i] for i in batch])
            for i, part in zip(
                batch, torch.split(states, [len(positions[i]) for i in batch]), strict=True
            ):
                found[i] = Anchor(rows[i], positions[i], part)
    return [anchor for anchor in found if anchor is not None]
