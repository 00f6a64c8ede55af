"""Many continuations at once from a transformers module, greedy or sampled.

The engine decodes one request at a time and is what is served; measuring a method takes thousands
of continuations, and this says the same tokens for a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from unlearn.forward import device_of, length_sorted, project

PREFILL_TOKENS = 8192
"""At most so many padded tokens are read in one forward pass."""
CACHED_TOKENS = 24_576
"""At most so many tokens of keys and values are held for one batch of continuations."""

Pick = Callable[[Tensor], Tensor]
"""From logits (rows, vocab) the next token ids (rows,)."""


@dataclass(frozen=True)
class Branch:
    """One continuation to make."""

    row: int
    """Index of the row of ids that it begins in."""
    at: int
    """How many of the row's ids stand before it; at least 1."""
    limit: int
    """At most so many tokens."""


def greedy(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    stops: frozenset[int],
) -> list[list[int]]:
    """What the model says after each prompt, at most so many tokens, up to a stop token."""
    branches = [Branch(i, len(p), n) for i, (p, n) in enumerate(zip(prompts, limits, strict=True))]
    return continuations(model, prompts, branches, stops)


def sampled(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    stops: frozenset[int],
    *,
    count: int,
    temperature: float,
    top_p: float,
    seed: int,
) -> list[list[list[int]]]:
    """`count` random continuations of each prompt; the same arguments give the same ones."""
    chance = torch.Generator(device_of(model)).manual_seed(seed)

    def pick(logits: Tensor) -> Tensor:
        p = nucleus(logits / temperature, top_p)
        return torch.multinomial(p, 1, generator=chance).squeeze(-1)

    branches = [
        Branch(i, len(p), n)
        for i, (p, n) in enumerate(zip(prompts, limits, strict=True))
        for _ in range(count)
    ]
    said = continuations(model, prompts, branches, stops, pick)
    return [said[i * count : (i + 1) * count] for i in range(len(prompts))]


def nucleus(logits: Tensor, top_p: float) -> Tensor:
    """(rows, vocab) the probabilities of the smallest set with mass `top_p`, renormalised."""
    p, order = logits.float().softmax(-1).sort(-1, descending=True)
    p = p.masked_fill(p.cumsum(-1) - p >= top_p, 0.0)
    return torch.zeros_like(p).scatter(-1, order, p / p.sum(-1, keepdim=True))


def first_choice(logits: Tensor) -> Tensor:
    """(rows,) the most probable token of logits (rows, vocab)."""
    return logits.argmax(-1)


@torch.no_grad()
def continuations(
    model: nn.Module,
    rows: Sequence[Sequence[int]],
    branches: Sequence[Branch],
    stops: frozenset[int],
    pick: Pick = first_choice,
) -> list[list[int]]:
    """What the model says from each branch on, without the stop token.

    A row is read once, however many branches leave it: each then sees only what stands before it.
    """
    said: list[list[int]] = [[] for _ in branches]
    for batch in length_sorted([len(row) for row in rows], PREFILL_TOKENS):
        local = {row: i for i, row in enumerate(batch)}
        mine = [i for i, branch in enumerate(branches) if branch.row in local]
        if not mine:
            continue
        read = _read(model, [rows[i] for i in batch])
        width = max(len(rows[i]) for i in batch)
        size = max(1, CACHED_TOKENS // (width + max(branches[i].limit for i in mine)))
        for first in range(0, len(mine), size):
            chunk = mine[first : first + size]
            places = [(local[branches[i].row], branches[i].at) for i in chunk]
            limits = [branches[i].limit for i in chunk]
            texts = _continue(model, read, places, limits, stops, pick)
            for i, ids in zip(chunk, texts, strict=True):
                said[i] = ids
    return said


@dataclass(frozen=True)
class _Read:
    """Rows after their forward pass, padded on the left."""

    cache: Any
    hidden: Tensor
    """(rows, time, width)."""
    padding: list[int]
    """How many places before each row are empty."""


def _read(model: nn.Module, rows: Sequence[Sequence[int]]) -> _Read:
    where, width = device_of(model), max(map(len, rows))
    padding = [width - len(row) for row in rows]
    ids = torch.tensor(
        [[0] * n + list(row) for n, row in zip(padding, rows, strict=True)], device=where
    )
    mask = torch.tensor([[0] * n + [1] * (width - n) for n in padding], device=where)
    out = cast(Any, model).get_decoder()(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        past_key_values=DynamicCache(),
        use_cache=True,
    )
    return _Read(out.past_key_values, out.last_hidden_state, padding)


def _continue(
    model: nn.Module,
    read: _Read,
    places: Sequence[tuple[int, int]],
    limits: Sequence[int],
    stops: frozenset[int],
    pick: Pick,
) -> list[list[int]]:
    """places: (row, ids before the branch) of each branch."""
    where = read.hidden.device
    row = torch.tensor([r for r, _ in places], device=where)
    position = torch.tensor([at for _, at in places], device=where)
    padding = torch.tensor([read.padding[r] for r, _ in places], device=where)
    slot = torch.arange(read.hidden.shape[1], device=where)
    end = (padding + position)[:, None]
    mask = ((slot >= padding[:, None]) & (slot < end)).long()
    cache = _copied(read.cache, row)
    token = pick(project(model, read.hidden[row, end.squeeze(-1) - 1]))
    said: list[list[int]] = [[] for _ in places]
    alive = list(range(len(places)))
    while True:
        kept = [k for k, i in enumerate(alive) if _note(said[i], int(token[k]), limits[i], stops)]
        if not kept:
            return said
        if len(kept) < len(alive):
            alive, chosen = [alive[k] for k in kept], torch.tensor(kept, device=where)
            cache.batch_select_indices(chosen)
            mask, position, token = mask[chosen], position[chosen], token[chosen]
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        out = cast(Any, model).get_decoder()(
            input_ids=token[:, None],
            attention_mask=mask,
            position_ids=position[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        position = position + 1
        token = pick(project(model, out.last_hidden_state[:, -1]))


def _note(said: list[int], token: int, limit: int, stops: frozenset[int]) -> bool:
    """Add the token, unless it is a stop; whether the continuation goes on."""
    if token in stops or limit <= len(said):
        return False
    said.append(token)
    return len(said) < limit


def _copied(cache: Any, rows: Tensor) -> DynamicCache:
    """The cache of the chosen rows, which may repeat; the original stays as it is."""
    copy: Any = DynamicCache()
    for index, layer in enumerate(cache.layers):
        copy.update(layer.keys[rows], layer.values[rows], index)
    return copy
