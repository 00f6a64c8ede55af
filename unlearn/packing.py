"""Rows that begin alike, laid out so that a model reads their common beginning once.

An item is asked from several cursors, and what stands before them is the same. Such rows make a
star: the common beginning, then each row's own end, which attends to the beginning and itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

PAYS = 0.5
"""A row joins a star if that costs at most this share of the tokens that it has itself."""
WASTE = 1.5
"""The stars of one pack differ in length by no more than this factor: the shorter are padded."""


@dataclass(frozen=True)
class Star:
    """Rows with a common beginning."""

    rows: tuple[int, ...]
    shared: int
    """Tokens of the beginning."""
    length: int
    """Tokens of the beginning and of all ends."""


@dataclass(frozen=True)
class Pack:
    """Stars in one padded batch."""

    rows: tuple[int, ...]
    """Which rows are in it."""
    star: tuple[int, ...]
    """In which star each of them is."""
    columns: tuple[Tensor, ...]
    """For each of them, (its length,) where its tokens stand in the star."""
    ids: Tensor
    """(stars, time)."""
    times: Tensor
    """(stars, time) each token's place in its own row."""
    sees: Tensor | None
    """(stars, time, time) bool, which tokens each one attends to; None where that is causal."""


def packs(rows: Sequence[Tensor], *, shares: bool) -> list[Pack]:
    """The rows, each one (time,) ids, in batches; with `shares`, common beginnings stand once."""
    stars = (
        _stars(rows) if shares else [Star((i,), len(row), len(row)) for i, row in enumerate(rows)]
    )
    batches: list[list[Star]] = []
    for star in sorted(stars, key=lambda star: star.length):
        if batches and (not shares or star.length <= WASTE * batches[-1][0].length):
            batches[-1].append(star)
        else:
            batches.append([star])
    return [_pack(rows, batch) for batch in batches]


def _stars(rows: Sequence[Tensor]) -> list[Star]:
    """Rows that begin alike are neighbours in their order; each joins the last star if it pays."""
    texts: list[list[int]] = [cast(Any, row).tolist() for row in rows]
    stars: list[Star] = []
    for i in sorted(range(len(rows)), key=lambda i: texts[i]):
        if stars:
            last = stars[-1]
            shared = min(last.shared, _common(rows[last.rows[-1]], rows[i]))
            together = (*last.rows, i)
            length = shared + sum(len(rows[k]) - shared for k in together)
            if length <= last.length + PAYS * len(rows[i]):
                stars[-1] = Star(together, shared, length)
                continue
        stars.append(Star((i,), len(rows[i]), len(rows[i])))
    return stars


def _common(one: Tensor, other: Tensor) -> int:
    """How many tokens two rows have in common at their beginning."""
    length = min(len(one), len(other))
    differs = (one[:length] != other[:length]).nonzero()
    return int(differs[0]) if len(differs) else length


def _pack(rows: Sequence[Tensor], stars: Sequence[Star]) -> Pack:
    longest = max(star.length for star in stars)
    ids = torch.zeros(len(stars), longest, dtype=torch.long)
    times = torch.zeros_like(ids)
    ends = torch.zeros_like(ids)  # 0 is the beginning, then each row's own end has a number
    names, homes, columns = list[int](), list[int](), list[Tensor]()
    for s, star in enumerate(stars):
        ends[s, star.length :] = len(star.rows) + 1
        at = star.shared
        for number, i in enumerate(star.rows, 1):
            own = len(rows[i]) - star.shared
            column = torch.cat([torch.arange(star.shared), torch.arange(at, at + own)])
            ids[s, column], times[s, column] = rows[i], torch.arange(len(rows[i]))
            ends[s, at : at + own] = number
            at += own
            names.append(i)
            homes.append(s)
            columns.append(column)
    sees = None
    if any(len(star.rows) > 1 for star in stars):
        sees = (ends[:, None, :] == 0) | (ends[:, None, :] == ends[:, :, None])
        sees &= torch.ones(longest, longest, dtype=torch.bool).tril()
    return Pack(tuple(names), tuple(homes), tuple(columns), ids, times, sees)
