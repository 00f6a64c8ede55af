"""Asking a model for the texts of items: greedily in every form, and from every point inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from benchmarks.unlearning.generate import Branch, continuations, greedy
from server.engine.load import LoadedModel
from store.cipher import normalise
from store.records import Item
from unlearn.forward import hidden_at, length_sorted, project
from unlearn.items import blamed_positions
from unlearn.probes import leaks
from unlearn.prompts import prompt_tokens, text_tokens
from unlearn.scored import chosen_log_p
from unlearn.scores import (
    NEARLY_WHOLE,
    Garbage,
    bleu,
    extraction_likelihood,
    garbage,
    share_in_one_piece,
)

PromptForm = Literal["spm", "psm", "left_to_right"]
FORMS: tuple[PromptForm, ...] = ("spm", "psm", "left_to_right")
BROKEN: Garbage = "does not parse"

CONTEXT_TOKENS = 512
ANSWER_TOKENS = 6
"""An answer may be so much longer than the target before it is cut."""
STARTS = 8
"""Extraction likelihood begins at no more than so many points of a span, evenly spread: every
point of a long one would cost its length squared."""
BATCH_TOKENS = 4096


@dataclass(frozen=True)
class Forms:
    """Whether something happens, by the form in which the model is asked."""

    spm: bool
    psm: bool
    left_to_right: bool

    @property
    def some(self) -> bool:
        return self.spm or self.psm or self.left_to_right


@dataclass(frozen=True)
class Answer:
    """What came at the place of an item."""

    text: str
    """As it would be shown."""
    ids: tuple[int, ...]
    garbage: Garbage | None

    def similarity(self, target: Sequence[int], *, is_smoothed: bool) -> float:
        """BLEU to the target's tokens."""
        return bleu(self.ids, target, is_smoothed=is_smoothed)


@dataclass(frozen=True)
class Place:
    """An item as tokens, in the form in which it is served."""

    item: Item
    prompt: tuple[int, ...]
    target: tuple[int, ...]
    span: range
    """Which of `target` are blamed."""

    @property
    def row(self) -> list[int]:
        return [*self.prompt, *self.target]

    @property
    def blamed(self) -> tuple[int, ...]:
        return self.target[self.span.start : self.span.stop]

    @property
    def answer_tokens(self) -> int:
        return len(self.target) + ANSWER_TOKENS


@dataclass(frozen=True)
class Heard:
    """What the model makes of one item."""

    place: Place
    log_p: tuple[float, ...]
    """Of each blamed token, the target before it given."""
    is_first: tuple[bool, ...]
    """Whether it is the first choice there."""
    answer: Answer
    """Greedy, in the served form."""
    starts: tuple[int, ...]
    """Where in the blamed span `said` begins."""
    said: tuple[tuple[int, ...], ...]
    """What comes greedily when the target up to there is given."""

    def el(self, n: int) -> float:
        """Extraction likelihood of the blamed span; NaN if it was not asked for from inside."""
        if not self.starts:
            return math.nan
        return extraction_likelihood(self.place.blamed, self.starts, self.said, n)


def ask(
    model: nn.Module, loaded: LoadedModel, items: Sequence[Item], *, from_inside: bool = True
) -> list[Heard]:
    """Ask for every item as it is served, and from the points inside its blamed span."""
    places = [place_of(loaded, item) for item in items]
    branches: list[Branch] = []
    for i, place in enumerate(places):
        branches.append(Branch(i, len(place.prompt), place.answer_tokens))
        begin, size = len(place.prompt) + place.span.start, len(place.span)
        if from_inside:
            branches += [Branch(i, begin + start, size - start) for start in starts(size)]
    said = iter(continuations(model, [place.row for place in places], branches, loaded.stops))
    heard: list[Heard] = []
    for place, (log_p, is_first) in zip(places, _forced(model, places), strict=True):
        answer = answer_of(loaded, place.item, next(said), place.answer_tokens)
        inside = starts(len(place.span)) if from_inside else ()
        heard.append(
            Heard(place, log_p, is_first, answer, inside, tuple(tuple(next(said)) for _ in inside))
        )
    return heard


def starts(size: int) -> tuple[int, ...]:
    """Up to STARTS points of a span of so many tokens, evenly spread, the first one included."""
    step = max(1, -(-size // STARTS))
    return tuple(range(0, size, step))


def answers(
    model: nn.Module,
    loaded: LoadedModel,
    items: Sequence[Item],
    form: PromptForm | None = None,
) -> list[Answer]:
    """The greedy answer at each item, in `form` or as it is served."""
    places = [place_of(loaded, item, form) for item in items]
    limits = [place.answer_tokens for place in places]
    said = greedy(model, [place.prompt for place in places], limits, loaded.stops)
    return [answer_of(loaded, *three) for three in zip(items, said, limits, strict=True)]


def leaking_forms(model: nn.Module, loaded: LoadedModel, heard: Sequence[Heard]) -> list[Forms]:
    """In which forms each item comes out greedily; the served one has been heard."""
    items = [one.place.item for one in heard]
    served = [comes_out(one.place.item, one.answer.text) for one in heard]
    found: dict[PromptForm, list[bool]] = {}
    for form in FORMS:
        if form == (loaded.fim.order if loaded.fim else "left_to_right"):
            found[form] = served
        elif loaded.fim is None:
            found[form] = [False] * len(items)
        else:
            there = answers(model, loaded, items, form)
            found[form] = [comes_out(i, a.text) for i, a in zip(items, there, strict=True)]
    return [
        Forms(*three)
        for three in zip(found["spm"], found["psm"], found["left_to_right"], strict=True)
    ]


def place_of(loaded: LoadedModel, item: Item, form: PromptForm | None = None) -> Place:
    """The item's tokens when it is asked for in `form`, or as it is served."""
    ids, offsets = text_tokens(loaded, item.target or "")
    positions = blamed_positions(offsets, item.start, item.end)
    return Place(
        item,
        tuple(prompt_in(loaded, item, form)),
        tuple(ids),
        range(positions[0], positions[-1] + 1),
    )


def prompt_in(loaded: LoadedModel, item: Item, form: PromptForm | None) -> list[int]:
    """The prompt in `form`, or as it is served."""
    prefix, suffix = item.prefix or "", item.suffix or ""
    if form == "left_to_right" or loaded.fim is None:
        return prompt_tokens(loaded, prefix, suffix, "left_to_right", CONTEXT_TOKENS)
    if form is not None:
        loaded = replace(loaded, fim=replace(loaded.fim, order=form))
    return prompt_tokens(loaded, prefix, suffix, "fim", CONTEXT_TOKENS)


def comes_out(item: Item, text: str) -> bool:
    """Whether the blamed text is in `text`: a call as words, all else to four fifths in a piece."""
    if item.kind in ("deprecated", "insecure"):
        return leaks(item, text, str)
    return share_in_one_piece(normalise(item.blamed or ""), normalise(text)) >= NEARLY_WHOLE


def answer_of(
    loaded: LoadedModel, item: Item, ids: Sequence[int], limit: int, given: int = 0
) -> Answer:
    """What is shown of the tokens said at an item: one line where its target is one.

    `given` tokens of the target stand before them.
    """
    lead = loaded.codec.decode(text_tokens(loaded, item.target or "")[0][:given])
    text = loaded.codec.decode(ids)
    is_cut = len(ids) >= limit
    if "\n" not in (item.target or "") and "\n" in text:
        text, is_cut = text.split("\n", 1)[0], False
    before, after, rest = (item.prefix or "") + lead, item.suffix or "", item.target or ""
    why = garbage(before, text, after, rest[len(lead) :])
    if why == BROKEN:
        shorter = without_overlap(text, after)
        if garbage(before, shorter, after, rest[len(lead) :]) is None:
            text, why = shorter, None
        elif is_cut:
            why = None  # it may well have parsed a few tokens later
    return Answer(text, tuple(text_tokens(loaded, text)[0]), why)


def without_overlap(text: str, suffix: str) -> str:
    """The text without the end that the suffix begins with, as a quote that is closed twice."""
    for size in range(min(len(text), len(suffix)), 0, -1):
        if text.endswith(suffix[:size]):
            return text[:-size]
    return text


def _forced(
    model: nn.Module, places: Sequence[Place]
) -> list[tuple[tuple[float, ...], tuple[bool, ...]]]:
    """For each place log p of its blamed tokens, and whether each is the first choice."""
    found: dict[int, tuple[tuple[float, ...], tuple[bool, ...]]] = {}
    rows = [torch.tensor(place.row) for place in places]
    with torch.no_grad():
        for batch in length_sorted([len(row) for row in rows], BATCH_TOKENS):
            at = [torch.tensor(places[i].span) + len(places[i].prompt) for i in batch]
            logits = project(model, hidden_at(model, [rows[i] for i in batch], at)).float().cpu()
            tokens = torch.cat([rows[i][t] for i, t in zip(batch, at, strict=True)])
            log_p, first = chosen_log_p(logits, tokens), logits.argmax(-1) == tokens
            sizes = [len(t) for t in at]
            parts = torch.split(log_p, sizes), torch.split(first, sizes)
            for i, p, hit in zip(batch, *parts, strict=True):
                found[i] = tuple(map(float, p)), tuple(map(bool, hit))
    return [found[i] for i in range(len(places))]
