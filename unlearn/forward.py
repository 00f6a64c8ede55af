"""Running the model's body once and projecting only the scored positions to the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence


def hidden_at(model: nn.Module, rows: Sequence[Tensor], positions: Sequence[Tensor]) -> Tensor:
    """(scored, width) hidden states that predict the tokens at `positions` of each row.

    rows: one (time,) tensor of ids each; positions: (scored,) indices in that row, all >= 1. The
    rows are padded on the right, which a causal model's earlier positions never see.
    """
    where = device_of(model)
    ids = pad_sequence(list(rows), batch_first=True).to(where)
    states = cast(Any, model).get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    batch = torch.cat([torch.full_like(p, i) for i, p in enumerate(positions)]).to(where)
    time = torch.cat(list(positions)).to(where) - 1
    return states[batch, time]


def project(model: nn.Module, hidden: Tensor) -> Tensor:
    """(scored, vocab) logits of hidden (scored, width), as the model itself would give them."""
    head = cast(Any, model).get_output_embeddings()
    config = cast(Any, model).config
    logits: Tensor = head(hidden)
    # Granite divides, Cohere multiplies, Gemma 2 caps: the three ways a head is not just a matrix
    logits = logits / (getattr(config, "logits_scaling", None) or 1.0)
    logits = logits * (getattr(config, "logit_scale", None) or 1.0)
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
