"""What bans add to a suggestion: the forward pass knows nothing of them, choosing a token does."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.engine.models import NAMES, Size, folder
from benchmarks.engine.prompts import NEW_TOKENS, places
from benchmarks.engine.rows import Row
from server.engine.bans import BanAutomaton
from server.engine.load import load_model
from server.engine.protocol import Ban
from server.engine.utterance import Chooser, Sampling

COUNTS = (10_000, 100_000)
MARKS = (1.0, 2.0)
BAN_TOKENS = 8
REQUESTS = 60


def ban_rows(size: Size) -> list[Row]:
    """Medians of a suggestion's choices with bans less those without, in turns."""
    loaded = load_model(folder(size), "cpu")
    cursors = list(places(loaded.codec.encode, 512, 13))
    texts = [(*place.read, *place.typed) for place in cursors]
    logits = torch.randn(loaded.model.config.vocab_size)
    rows: list[Row] = []
    for count, mark in zip(COUNTS, MARKS, strict=True):
        bans = BanAutomaton(_bans(texts, count))
        added: list[float] = []
        for i in range(REQUESTS):
            text, says = texts[i % len(texts)], cursors[i % len(texts)].follows
            plain = _milliseconds(_chosen, BanAutomaton(), text, says, logits)
            added.append(_milliseconds(_chosen, bans, text, says, logits) - plain)
        row = Row(NAMES[size], f"added by {count:,} bans", mark=mark)
        rows.append(replace(row, ours_ms=round(statistics.median(added), 3)))
    return rows


def _bans(texts: Sequence[Sequence[int]], count: int) -> list[Ban]:
    """Pieces of the texts that are read, with other ends: all are followed, none comes true."""
    chance = random.Random(2)
    bans: list[Ban] = []
    for _ in range(count):
        text = chance.choice(texts)
        at = chance.randrange(len(text) - BAN_TOKENS)
        bans.append(Ban((*text[at : at + BAN_TOKENS], chance.randrange(5, 16_000))))
    return bans


def _chosen(bans: BanAutomaton, text: Sequence[int], says: Sequence[int], logits: Tensor) -> None:
    """Follow the prompt, then choose NEW_TOKENS tokens, as one suggestion does."""
    walk = bans.follow(text)
    choose = Chooser(Sampling(), torch.device("cpu"))
    for token in says[:NEW_TOKENS]:
        choose(logits, list(walk.forbidden()))
        walk.advance(token)


def _milliseconds(
    work: Callable[[BanAutomaton, Sequence[int], Sequence[int], Tensor], None],
    bans: BanAutomaton,
    text: Sequence[int],
    says: Sequence[int],
    logits: Tensor,
) -> float:
    began = time.perf_counter()
    work(bans, text, says, logits.clone())
    return (time.perf_counter() - began) * 1000
