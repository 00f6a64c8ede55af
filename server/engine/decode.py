"""The decode loop: token by token, with bans, end rules, streaming and a cancel flag."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from collections.abc import Sequence as Ids
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from server.engine.drafts import Lookahead, NgramDrafts
from server.engine.protocol import Finish
from server.engine.sequence import Sequence
from server.engine.text_codec import TextWriter

# Between two of these a cancelled request waits for at most one chunk.
CHUNK_TOKENS = 256


class Forbids(Protocol):
    """Follows the tokens as they come and says which may not come next."""

    def advance(self, token: int) -> None: ...

    def forbidden(self) -> Collection[int]: ...


class Ends(Protocol):
    """Decides where a completion's text is over."""

    def cut(self, text: str) -> int | None:
        """How much of `text` stays, once it is over; None while it may go on."""
        ...

    def settled(self, text: str) -> int:
        """How much of `text` no rule will take back."""
        ...

    def trimmed(self, text: str) -> int:
        """How much of `text` stays when the model has ended it, or has to."""
        ...


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


@dataclass(frozen=True)
class Decoded:
    """What the loop made."""

    text: str
    tokens: tuple[int, ...]
    finish: Finish


def prefill(sequence: Sequence, ids: Ids[int], cancelled: Callable[[], bool]) -> Tensor | None:
    """Read what `sequence` has not read of `ids`; the logits after it, None if cancelled.

    A cancelled read leaves what was read in place, for the next request to start from.
    """
    logits: Tensor | None = None
    for start in range(len(sequence.tokens), len(ids), CHUNK_TOKENS):
        if cancelled():
            return None
        logits = sequence.read(ids[start : start + CHUNK_TOKENS])
    return logits


def decode(
    sequence: Sequence,
    logits: Tensor,
    *,
    writer: TextWriter,
    max_tokens: int,
    stops: frozenset[int],
    ends: Ends,
    sampling: Sampling = Sampling(),
    bans: Iterable[Forbids] = (),
    drafts: NgramDrafts | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    on_text: Callable[[str], None] | None = None,
) -> Decoded:
    """Decode on from `logits` (vocabulary,), which are changed; `writer` may hold a beginning.

    Where every token is forbidden the completion ends. `drafts` have read what `sequence` has; with
    them the sequence may have read more in the end than was said.
    """
    ahead = Lookahead(sequence, drafts)
    choose = Chooser(sampling, logits.device)
    bans = tuple(bans)
    tokens: list[int] = []
    shown = len(writer.text)
    finish: Finish = "length"
    cut: int | None = None
    while len(tokens) < max_tokens:
        if cancelled():
            finish = "cancelled"
            break
        token = choose(logits, [i for ban in bans for i in ban.forbidden()])
        if token is None or token in stops:
            finish, cut = "stop", ends.trimmed(writer.text)
            break
        tokens.append(token)
        if writer.push(token):
            cut = ends.cut(writer.text)
            if cut is not None:
                finish = "stop"
                break
            if on_text is not None:
                shown = _show(on_text, writer.text, shown, ends.settled(writer.text))
        for ban in bans:
            ban.advance(token)
        if len(tokens) < max_tokens:
            logits = ahead.after(token)
    if finish == "length":
        cut = ends.trimmed(writer.text)
    # What was streamed is never taken back.
    end = len(writer.text) if cut is None else max(cut, shown)
    if on_text is not None and finish != "cancelled":
        _show(on_text, writer.text, shown, end)
    return Decoded(writer.text[:end], tuple(tokens), finish)


class Chooser:
    """Picks the next token; with a seed, the same ones each time."""

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._sampling = sampling
        self._random = torch.Generator(device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    @torch.inference_mode()
    def __call__(self, logits: Tensor, forbidden: Ids[int]) -> int | None:
        """The token chosen from `logits` (vocabulary,), or None if all are forbidden."""
        if forbidden:
            logits[torch.tensor(forbidden, device=logits.device)] = -torch.inf
        best = int(logits.argmax())
        if forbidden and logits[best] == -torch.inf:
            return None
        if self._sampling.temperature == 0:
            return best
        return self._sampled(logits)

    def _sampled(self, logits: Tensor) -> int:
        odds = torch.softmax(logits / self._sampling.temperature, dim=-1)
        if self._sampling.top_p < 1:
            odds, order = odds.sort(descending=True)
            # A token stays while the ones before it fall short of top_p: the best always does.
            odds = odds * (odds.cumsum(-1) - odds < self._sampling.top_p)
            return int(order[torch.multinomial(odds, 1, generator=self._random)])
        return int(torch.multinomial(odds, 1, generator=self._random))


def _show(on_text: Callable[[str], None], text: str, shown: int, settled: int) -> int:
    if settled > shown:
        on_text(text[shown:settled])
    return max(shown, settled)
