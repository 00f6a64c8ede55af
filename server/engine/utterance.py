"""One completion on its way: which token comes next, what it says, and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from collections.abc import Sequence as Ids
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from server.engine.healing import Beginning
from server.engine.protocol import Finish
from server.engine.text_codec import TextWriter


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


class Utterance:
    """Says token by token, under bans, stop rules and a limit."""

    def __init__(
        self,
        writer: TextWriter,
        *,
        max_tokens: int,
        stops: frozenset[int],
        ends: Ends,
        choose: Chooser,
        bans: Iterable[Forbids] = (),
        beginning: Beginning | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        """`writer` may hold text already; what `beginning` asks for does not count as said."""
        self._writer = writer
        self._left = max_tokens
        self._stops = stops
        self._ends = ends
        self._choose = choose
        self._bans = tuple(bans)
        self._beginning = beginning
        self._on_text = on_text
        self._tokens: list[int] = []
        self._shown = len(writer.text)
        self._cut: int | None = None
        self._finish: Finish | None = None if max_tokens > 0 else "length"

    @property
    def is_over(self) -> bool:
        return self._finish is not None

    def say(self, logits: Tensor) -> int | None:
        """The token to read next, chosen from `logits` (vocabulary,), which are changed; None when
        this was the last one, or where every token is forbidden."""
        token = self._next(logits)
        if token is None or token in self._stops:
            self._finish, self._cut = "stop", self._ends.trimmed(self._writer.text)
            return None
        self._tokens.append(token)
        self._advance(token)
        if self._writer.push(token):
            text = self._writer.text
            self._cut = self._ends.cut(text)
            if self._cut is not None:
                self._finish = "stop"
                return None
            self._show(self._ends.settled(text))
        if self._left == 0:
            self._finish, self._cut = "length", self._ends.trimmed(self._writer.text)
            return None
        return token

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._finish = "cancelled"

    def decoded(self) -> Decoded:
        """All that was said; to be asked for when it is over."""
        assert self._finish is not None
        text = self._writer.text
        # What was streamed is never taken back.
        end = len(text) if self._cut is None else max(self._cut, self._shown)
        if self._finish != "cancelled":
            self._show(end)
        return Decoded(text[:end], tuple(self._tokens), self._finish)

    def _next(self, logits: Tensor) -> int | None:
        forbidden = [i for ban in self._bans for i in ban.forbidden()]
        begin = self._beginning
        if begin is None or begin.is_said:
            return self._choose(logits, forbidden)
        # what the user has typed is no suggestion: no ban holds for it
        typed = begin.within()
        kept = logits[typed]
        only = torch.full_like(logits, -torch.inf)
        beyond = begin.beyond()
        only[beyond] = logits[beyond]
        only[forbidden] = -torch.inf
        only[typed] = kept
        return self._choose(only, [])

    def _advance(self, token: int) -> None:
        for ban in self._bans:
            ban.advance(token)
        begin = self._beginning
        is_typed = begin is not None and not begin.is_said and token in begin.within()
        if begin is not None:
            begin.advance(token)
        if not is_typed:
            self._left -= 1

    def _show(self, settled: int) -> None:
        if self._on_text is not None and settled > self._shown:
            self._on_text(self._writer.text[self._shown : settled])
            self._shown = settled


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
