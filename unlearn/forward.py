"""Running the model's body once and projecting only the scored positions to the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from server.engine.decoder import FAMILIES
from unlearn.packing import Pack, packs


def hidden_at(model: nn.Module, rows: Sequence[Tensor], positions: Sequence[Tensor]) -> Tensor:
    """(scored, width) hidden states that predict the tokens at `positions` of each row.

    rows: one (time,) tensor of ids each; positions: (scored,) indices in that row, all >= 1. What
    rows have in common at their beginning is run once, in the families whose masks we know.
    """
    where, config = device_of(model), cast(Any, model).config
    decoder = cast(Any, model).get_decoder()
    found: dict[int, Tensor] = {}
    for pack in packs(rows, shares=config.model_type in FAMILIES):
        states = decoder(**_arguments(pack, model, where)).last_hidden_state
        chosen = [positions[i] for i in pack.rows]
        star = torch.cat([torch.full_like(p, s) for s, p in zip(pack.star, chosen, strict=True)])
        column = torch.cat([c[p - 1] for c, p in zip(pack.columns, chosen, strict=True)])
        taken = states[star.to(where), column.to(where)]
        found.update(zip(pack.rows, torch.split(taken, [len(p) for p in chosen]), strict=True))
    return torch.cat([found[i] for i in range(len(rows))])


def _arguments(pack: Pack, model: nn.Module, where: torch.device) -> dict[str, Any]:
    """What a transformers decoder is called with; a causal mask is what it makes itself."""
    given: dict[str, Any] = {"input_ids": pack.ids.to(where), "use_cache": False}
    if pack.sees is not None:
        dtype = next(model.parameters()).dtype
        mask = torch.zeros(pack.sees.shape, dtype=dtype).masked_fill(
            ~pack.sees, torch.finfo(dtype).min
        )
        given |= {"attention_mask": mask[:, None].to(where), "position_ids": pack.times.to(where)}
    return given


def project(model: nn.Module, hidden: Tensor) -> Tensor:
    """(scored, vocab) logits of hidden (scored, width), as the model itself would give them."""
    head = cast(Any, model).get_output_embeddings()
    config = cast(Any, model).config
    logits: Tensor = head(hidden)
    # Granite divides, Cohere multiplies, Gemma 2 caps: the three ways a head is not just a matrix
    if divisor := getattr(config, "logits_scaling", None):
        logits = logits / divisor
    if factor := getattr(config, "logit_scale", None):
        logits = logits * factor
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device


def length_sorted(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Indices in batches of similar length, none with more than `most_tokens` padded tokens.

    A sequence longer than that gets a batch of its own.
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[i] <= most_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
