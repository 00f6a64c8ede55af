"""Several ways on from one text over our own decoder, a token of each in one pass."""

from __future__ import annotations

from collections.abc import Sequence as Ids

import torch
from torch import Tensor

from server.engine.decoder import Decoder


class DecoderBranches:
    """Implements sequence.Branches. The keys and values of the text are read where they lie; only
    what a branch says itself is its own."""

    def __init__(
        self, decoder: Decoder, text: list[tuple[Tensor, Tensor]], count: int, room: int
    ) -> None:
        """text: per layer the keys and the values (key heads, tokens, head width), not copied.

        `count` branches of at most `room` tokens each.
        """
        self._decoder = decoder
        self._text = text
        self._said = 0
        length = text[0][0].shape[1]
        self._turns = tuple(part[length:] for part in decoder.rotation(length + room))
        shape = (count, decoder.key_heads, room, decoder.head_width)
        self._own = [(torch.zeros(shape), torch.zeros(shape)) for _ in text]
        """Per layer, of what the branches have said."""

    @torch.inference_mode()
    def read(self, tokens: Ids[int]) -> Tensor:
        """See sequence.Branches."""
        decoder, at = self._decoder, self._said
        self._said += 1
        cosine, sine = (part[at : at + 1] for part in self._turns)
        x = decoder.embed(torch.tensor(tokens))
        for block, text, own in zip(decoder.blocks, self._text, self._own, strict=True):
            queries, keys, values = decoder.turned(block, x, cosine, sine)
            own[0][:, :, at] = keys
            own[1][:, :, at] = values
            said = (own[0][:, :, : self._said], own[1][:, :, : self._said])
            x = x + block.after_attention(_look_back(queries, text, said))
            x = x + block.mlp(x)
        return decoder.head(decoder.last_norm(x))

    def keep(self, which: Ids[int]) -> None:
        """See sequence.Branches."""
        rows = torch.tensor(which, dtype=torch.long)
        self._own = [(keys[rows], values[rows]) for keys, values in self._own]


def _look_back(queries: Tensor, text: tuple[Tensor, Tensor], said: tuple[Tensor, Tensor]) -> Tensor:
    """What each branch's newest token sees of the text and of the branch: (branches, width).

    queries (branches, heads, head width); text (key heads, tokens, head width), keys and values;
    said (branches, key heads, tokens, head width), keys and values. To the text all branches are
    one block of rows.
    """
    branches, heads, width = queries.shape
    groups, tokens, _ = text[0].shape
    own = queries.view(branches, groups, heads // groups, width) * width**-0.5
    laid = own.transpose(0, 1).reshape(groups, -1, width)
    far = torch.bmm(laid, text[0].transpose(1, 2)).view(groups, branches, -1, tokens)
    near = torch.matmul(own, said[0].transpose(2, 3))
    weights = torch.cat([far.transpose(0, 1), near], dim=-1).softmax(-1)
    laid = weights[..., :tokens].transpose(0, 1).reshape(groups, -1, tokens)
    seen = torch.bmm(laid, text[1]).view(groups, branches, -1, width).transpose(0, 1)
    return (seen + torch.matmul(weights[..., tokens:], said[1])).reshape(branches, -1)
