"""What every engine is asked and answers; knows nothing of how a model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from store.records import Kind

Finish = Literal["stop", "length", "cancelled"]
Form = Literal["base", "merged", "unmerged"]
EngineState = Literal["awake", "asleep", "waking"]


@dataclass(frozen=True)
class Ask:
    """One request for suggestions at a cursor."""

    prefix: str
    suffix: str | None = None
    """None: plain left-to-right continuation. A text, even an empty one: fill in the middle."""
    max_tokens: int = 48
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    n: int = 1
    """How many alternatives; the first is greedy when temperature is 0, the others sampled."""
    stop: tuple[str, ...] = ()
    seed: int | None = None
    document: str = ""
    """Key of the prefix cache: requests of one document share their common prefix."""
    stop_rules: bool = True
    """End at the editor's stop rules (indentation, bracket, suffix overlap, repetition)."""
    bans: bool = True
    heals: bool = True
    """Say a word that the cursor has cut anew, as one token where the vocabulary has it."""
    generation: str | None = None
    """None: the serving one. A resident generation's name pins the request to it."""


@dataclass(frozen=True)
class Completion:
    """One suggestion as decoded, before the guard."""

    text: str
    tokens: tuple[int, ...]
    finish: Finish
    generation: str
    prompt_tokens: int
    cached_tokens: int
    """How many prompt tokens the prefix cache saved."""
    first_token_ms: float
    total_ms: float
    avoided: tuple[int, frozenset[tuple[int, ...]]] | None = None
    """At which of `tokens` another way was taken, and the ways that were forbidden
    there, each as the tokens that say it."""


@dataclass(frozen=True)
class Ban:
    """A sequence of token ids whose last one may not follow the others."""

    tokens: tuple[int, ...]
    """At least one id; a single id is banned everywhere."""


@dataclass(frozen=True)
class SwapReport:
    """How a change of the serving generation went."""

    generation: str
    previous: str
    prepare_ms: float
    """Reading, checking and merging, while the old generation served."""
    pause_ms: float
    """For how long no request could start."""
    form: Form
    """Merged into a copy of the weights, or multiplied beside them."""
    merge_error: float | None
    """How much of the change a merge rounds away: 0 none, 1 all. None: nothing was merged."""


class Engine(Protocol):
    """A model that completes code. Methods block: call them from a worker thread."""

    @property
    def model(self) -> str: ...

    @property
    def serving(self) -> str:
        """The generation that a request without one gets."""
        ...

    @property
    def generations(self) -> tuple[str, ...]:
        """The resident generations, `base` among them."""
        ...

    def complete(
        self,
        ask: Ask,
        *,
        cancelled: Callable[[], bool] = ...,
        on_text: Callable[[int, str], None] | None = None,
    ) -> list[Completion]:
        """`ask.n` completions; `cancelled` is read at each step, `on_text(i, piece)` streams."""
        ...

    def warm(self, ask: Ask, *, cancelled: Callable[[], bool] = ...) -> int:
        """Read the prompt of `ask` and say nothing, so that its document's next request need not;
        how many tokens it had to read. A cancelled read keeps what was read."""
        ...

    def complete_differently(
        self, ask: Ask, completion: Completion, offset: int, *, cancelled: Callable[[], bool] = ...
    ) -> Completion | None:
        """Keep `completion` up to the token that holds character `offset`, forbid that token there
        (probability zero, the rest renormalised: PROD's edit at decode time) and decode on.

        What was forbidden there for `completion` itself stays forbidden: each call is a new way.
        """
        ...

    def set_bans(self, bans: Iterable[Ban]) -> None:
        """Replace all bans, from the next request on."""
        ...

    def bans_for(
        self,
        prefix: str,
        suffix: str,
        target: str,
        start: int,
        end: int,
        kind: Kind = "user",
        replacement: str | None = None,
    ) -> list[Ban]:
        """The bans that keep the blamed span `target[start:end]` from being said again.

        Secrets, licensed text and what a person unsaid are banned outside their context too. What
        the span has in common with its `replacement` stays allowed.
        """
        ...

    def swap(self, name: str, adapter: Path | None) -> SwapReport:
        """Serve the adapter in the folder `adapter` as generation `name`; None is `base`.

        Everything is checked before anything changes: on an error the old one serves on.
        """
        ...

    @property
    def state(self) -> EngineState: ...

    @property
    def last_wake_ms(self) -> float | None:
        """How long the last waking took; None before there was one."""
        ...

    @property
    def wake_failure(self) -> str | None:
        """Why the weights could not be read when they were needed last; None: they could."""
        ...

    def sleep(self) -> bool:
        """Give the memory of the weights and of all that was read back, until a request comes:
        that one waits for them. False where it is asleep already or anything is under way."""
        ...

    def close(self) -> None: ...
