"""Lessons run through the model: what a batch of them scores, and how each stands."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from unlearn.forward import hidden_at, length_sorted, project
from unlearn.lora import Student
from unlearn.roll import Standing
from unlearn.scored import Retained, Scored, chosen_log_p, forbidden_p
from unlearn.targets import Sculpted
from unlearn.teacher import BATCH_TOKENS, Anchor, Lesson


def standings(student: Student, lessons: Sequence[Lesson]) -> list[Standing]:
    """How probable each lesson's forbidden and wanted tokens are now."""
    found: dict[int, Standing] = {}
    with torch.no_grad():
        for batch in length_sorted([len(lesson.ids) for lesson in lessons], BATCH_TOKENS):
            chosen = [lessons[i] for i in batch]
            rows = [lesson.ids for lesson in chosen]
            places = [lesson.positions[lesson.pushed | lesson.wanted] for lesson in chosen]
            logits = project(student.model, hidden_at(student.model, rows, places))
            parts = torch.split(logits, [len(place) for place in places])
            for i, part in zip(batch, parts, strict=True):
                found[i] = standing(lessons[i], part)
    return [found[i] for i in range(len(lessons))]


def standing(lesson: Lesson, logits: Tensor) -> Standing:
    """logits (pushed or wanted, vocab) of the lesson's positions that are either, in order."""
    matters = lesson.pushed | lesson.wanted
    is_pushed = lesson.pushed[matters].to(logits.device)
    tokens = lesson.ids[lesson.positions[lesson.wanted]].to(logits.device)
    return Standing(
        forbidden_p(logits[is_pushed], lesson.forbidden.to(logits.device)).cpu(),
        chosen_log_p(logits[~is_pushed], tokens).exp().cpu(),
    )


def scored(student: Student, batch: Sequence[Lesson], reads_base: bool) -> Scored:
    """The scored positions of a batch, with a gradient."""
    rows, places = [lesson.ids for lesson in batch], [lesson.positions for lesson in batch]
    hidden = hidden_at(student.model, rows, places)
    where = hidden.device
    with torch.no_grad():
        states = torch.cat([lesson.base for lesson in batch])
        base = project(student.model, states if reads_base else states[:0])
    targets = [lesson.target for lesson in batch]
    number = {pair: i for i, pair in enumerate(dict.fromkeys(lesson.pair for lesson in batch))}
    return Scored(
        logits=project(student.model, hidden).float(),
        base=base.float(),
        tokens=torch.cat([row[t] for row, t in zip(rows, places, strict=True)]).to(where),
        sequence=torch.cat(
            [torch.full_like(lesson.positions, number[lesson.pair]) for lesson in batch]
        ).to(where),
        pushed=torch.cat([lesson.pushed for lesson in batch]).to(where),
        wanted=torch.cat([lesson.wanted for lesson in batch]).to(where),
        forbidden=_stack([lesson.forbidden for lesson in batch], repeat=True).to(where),
        target=Sculpted(
            _stack([target.ids for target in targets]).to(where),
            _stack([target.mass for target in targets]).to(where),
        ),
        weight=torch.cat([lesson.weight for lesson in batch]).to(where),
        floor=torch.cat([lesson.floor for lesson in batch]).to(where),
    )


def retained(student: Student, batch: Sequence[Anchor]) -> Retained:
    """The scored positions of retain sequences, with a gradient."""
    rows, places = [anchor.ids for anchor in batch], [anchor.positions for anchor in batch]
    logits = project(student.model, hidden_at(student.model, rows, places))
    with torch.no_grad():
        base = project(student.model, torch.cat([anchor.base for anchor in batch]))
    tokens = torch.cat([row[t] for row, t in zip(rows, places, strict=True)])
    return Retained(logits.float(), base.float(), tokens.to(logits.device))


def _stack(tables: Sequence[Tensor], *, repeat: bool = False) -> Tensor:
    """Tables (rows, width) of different widths on top of each other, padded with zeros, or with
    their first column."""
    width = max(table.shape[1] for table in tables)
    if repeat:
        return torch.cat(
            [torch.cat([t, t[:, :1].expand(-1, width - t.shape[1])], dim=1) for t in tables]
        )
    return torch.cat([pad(table, (0, width - table.shape[1])) for table in tables])
