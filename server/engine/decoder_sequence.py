"""A sequence over our own decoder: keys and values in one buffer per layer, read on or rewound."""

from __future__ import annotations

from collections.abc import Sequence as Ids

import torch
from torch import Tensor

from server.engine.decoder import Decoder
from server.engine.decoder_branches import DecoderBranches
from server.engine.kernels import FEW_ROWS
from server.engine.native.step import Buffers

GROWTH_TOKENS = 256
QUERY_BLOCK = 128
"""Of a long read so many queries look back at a time: none looks at keys that come after it."""


class DecoderSequence:
    """What a decoder has read. Implements sequence.Sequence."""

    def __init__(self, decoder: Decoder) -> None:
        self.tokens: list[int] = []
        self._decoder = decoder
        self._room = 0
        self._keys: list[Tensor] = []
        """(key heads, room, head width) per layer; so are the values."""
        self._values: list[Tensor] = []
        self._turns: tuple[Tensor, Tensor] = decoder.rotation(0)
        self._buffers: Buffers | None = None
        """All of these as our own code sees them, where there is some."""

    @torch.inference_mode()
    def read(self, ids: Ids[int]) -> Tensor:
        """See sequence.Sequence."""
        return self.read_last(ids, 1)[0]

    @torch.inference_mode()
    def read_last(self, ids: Ids[int], rows: int) -> Tensor:
        """See sequence.Sequence."""
        return self._decoder.head(self._read(ids, rows))

    def branches(self, count: int, room: int) -> DecoderBranches:
        """See sequence.Sequence."""
        end = len(self.tokens)
        buffers = zip(self._keys, self._values, strict=True)
        text = [(keys[:, :end], values[:, :end]) for keys, values in buffers]
        return DecoderBranches(self._decoder, text, count, room)

    @property
    def can_rewind(self) -> bool:
        return True

    def rewind(self, length: int) -> bool:
        """See sequence.Sequence."""
        del self.tokens[length:]
        return True

    @property
    def size_bytes(self) -> int:
        return sum(buffer.nbytes for buffer in (*self._keys, *self._values))

    def _read(self, ids: Ids[int], rows: int) -> Tensor:
        """The last states (rows, width), normed, after the last of `ids`."""
        start, end = len(self.tokens), len(self.tokens) + len(ids)
        if end > self._room:
            self._grow(end)
        x = self._decoder.embed(torch.tensor(ids))
        step, buffers = self._decoder.step, self._buffers
        if step is None or buffers is None or (step.rows == FEW_ROWS < len(ids)):
            x = self._decoder.last_norm(self._read_by_layers(x, start, rows))
        else:
            for part in torch.split(x, step.rows):
                wanted = min(len(part), max(0, rows - (end - start - len(part))))
                step.read(part, buffers, start, wanted)
                start += len(part)
        self.tokens += ids
        return x[-rows:]

    def _read_by_layers(self, x: Tensor, start: int, rows: int) -> Tensor:
        decoder, end = self._decoder, start + len(x)
        cosine, sine = (part[start:end] for part in self._turns)
        for block, keys, values in zip(decoder.blocks, self._keys, self._values, strict=True):
            queries, new_keys, new_values = decoder.turned(block, x, cosine, sine)
            keys[:, start:end] = new_keys.transpose(0, 1)
            values[:, start:end] = new_values.transpose(0, 1)
            if block is decoder.blocks[-1]:  # of the others nothing more is wanted
                x, queries = x[-rows:], queries[-rows:]
            x = x + block.after_attention(_attended(queries, keys[:, :end], values[:, :end]))
            x = x + block.mlp(x)
        return x

    def _grow(self, tokens: int) -> None:
        d = self._decoder
        self._room = max(2 * self._room, -(-tokens // GROWTH_TOKENS) * GROWTH_TOKENS)
        self._turns = d.rotation(self._room)
        old = self._keys, self._values
        self._keys, self._values = (
            [torch.zeros(d.key_heads, self._room, d.head_width) for _ in d.blocks] for _ in old
        )
        read = len(self.tokens)
        for before, now in zip(old, (self._keys, self._values), strict=True):
            for one, other in zip(before, now, strict=False):
                other[:, :read] = one[:, :read]
        if d.step is not None:
            self._buffers = Buffers(self._keys, self._values, *self._turns)


def _attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What the last rows see of all rows: (rows, heads * head width).

    queries (rows, heads, head width); keys and values (key heads, tokens, head width). The heads
    that share keys are laid out as rows: several times faster than repeating the keys.
    """
    rows, tokens = len(queries), keys.shape[1]
    if rows <= FEW_ROWS:
        return _look_back(queries, keys, values)
    ends = range(QUERY_BLOCK, rows + QUERY_BLOCK, QUERY_BLOCK)
    return torch.cat(
        [
            _look_back(
                queries[end - QUERY_BLOCK : end],
                keys[:, : tokens - rows + min(end, rows)],
                values[:, : tokens - rows + min(end, rows)],
            )
            for end in ends
        ]
    )


def _look_back(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    rows, heads, width = queries.shape
    groups, tokens, _ = keys.shape
    laid = queries.view(rows, groups, heads // groups, width).permute(1, 2, 0, 3)
    laid = laid.reshape(groups, -1, width) * width**-0.5
    scores = torch.bmm(laid, keys.transpose(1, 2))
    if rows > 1:
        new = scores.view(groups, -1, rows, tokens)[..., tokens - rows :]
        new += torch.full((rows, rows), -torch.inf).triu_(1)
    seen = torch.bmm(scores.softmax(-1), values)
    return seen.view(groups, -1, rows, width).permute(2, 0, 1, 3).reshape(rows, -1)
