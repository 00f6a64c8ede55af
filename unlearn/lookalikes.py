"""Places like a secret's, with what the base says there: held, so that only it is forgotten.

Forgetting some of a family takes from the rest of it: the adapter learns to say nothing known
wherever it looks like this. A secret's context with other names in it is such a place, and the
base itself says what belongs there; where that is an item, the place is left out. Code has none:
with other names it is still the same code, which must not be said either.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import torch
from torch import Tensor

from server.engine.load import LoadedModel
from server.guard.code_shape import shape
from store.cipher import normalise
from store.records import Item
from unlearn.config import RefreshConfig
from unlearn.forward import device_of, length_sorted
from unlearn.items import forms
from unlearn.methods import method
from unlearn.prompts import prompt_tokens
from unlearn.retain import SEQUENCE_TOKENS
from unlearn.teacher import BATCH_TOKENS

PER_ITEM = 8
"""At most so many of one item."""
ANSWER_TOKENS = 24
RENAMED = (0.3, 0.6)
"""Shares of the words that are renamed, in turn."""
ALIKE = 0.5
"""An answer with this share of an item's blamed text in one piece says that item."""
NAME = re.compile(r"[A-Za-z_]{3,12}")


def lookalikes(
    loaded: LoadedModel,
    items: Sequence[Item],
    forgotten: Sequence[Item],
    config: RefreshConfig,
    fingerprint: Callable[[str], str],
) -> list[Tensor]:
    """Token sequences (time,) in the served form: places like those of the secrets among `items`,
    and the greedy answers of `loaded`, which must have no adapter on.

    At most `config.lookalikes` places are asked in, of which those are left out where one of
    `forgotten` is said; `fingerprint` is the ledger's, for those whose text is gone. None for a
    method that has no use for what is held.
    """
    chance = random.Random(config.seed)
    most = config.lookalikes if method(config.method).needs_retain else 0
    placed = [item for item in items if item.kind == "secret" and item.prefix is not None]
    each = min(PER_ITEM, most // max(1, min(most, len(placed))))
    tokens = (text.strip() for text in loaded.codec.texts(range(len(loaded.tokenizer))))
    names = sorted({token for token in tokens if NAME.fullmatch(token)})
    prompts = [
        _prompt(loaded, item, names, RENAMED[k % len(RENAMED)], chance)
        for item in chance.sample(placed, min(most, len(placed)))
        for k in range(each)
    ]
    says_one = _says_one(forgotten, fingerprint)
    return [
        torch.tensor([*prompt, *answer])
        for prompt, answer in zip(prompts, _answers(loaded, prompts), strict=True)
        if answer and not says_one(loaded.codec.decode(answer))
    ]


def renamed(
    texts: Sequence[str], names: Sequence[str], share: float, chance: random.Random
) -> list[str]:
    """The texts with about this share of their words replaced by `names`: each word by the same
    everywhere, also in strings and comments, keywords by none."""
    instead: dict[str, str] = {}
    found = list[str]()
    for text in texts:
        seen, parts, end = shape(text), list[str](), 0
        for i in (seen.is_word & ~seen.is_keyword).nonzero()[0]:
            word = text[seen.starts[i] : seen.ends[i]]
            if word not in instead:
                instead[word] = chance.choice(names) if chance.random() < share else word
            parts += [text[end : seen.starts[i]], instead[word]]
            end = seen.ends[i]
        found.append("".join([*parts, text[end:]]))
    return found


def _prompt(
    loaded: LoadedModel, item: Item, names: Sequence[str], share: float, chance: random.Random
) -> list[int]:
    prefix, suffix = renamed((item.prefix or "", item.suffix or ""), names, share, chance)
    room = SEQUENCE_TOKENS - ANSWER_TOKENS
    return prompt_tokens(loaded, prefix, suffix, forms(loaded)[0], room)


def _answers(loaded: LoadedModel, prompts: Sequence[list[int]]) -> list[list[int]]:
    """Of each prompt, up to the first token that ends a text."""
    found: dict[int, list[int]] = {}
    where, stops = device_of(loaded.model), {*loaded.stops, loaded.end}
    for batch in length_sorted([len(prompt) + ANSWER_TOKENS for prompt in prompts], BATCH_TOKENS):
        width = max(len(prompts[i]) for i in batch)
        ids = torch.full((len(batch), width), loaded.end)
        for row, i in enumerate(batch):
            ids[row, width - len(prompts[i]) :] = torch.tensor(prompts[i])
        lengths = torch.tensor([len(prompts[i]) for i in batch])
        said = loaded.model.generate(
            input_ids=ids.to(where),
            attention_mask=(torch.arange(width) >= width - lengths[:, None]).long().to(where),
            max_new_tokens=ANSWER_TOKENS,
            do_sample=False,
            eos_token_id=sorted(stops),
            pad_token_id=loaded.end,
        )
        for i, row in zip(batch, said[:, width:].tolist(), strict=True):
            ends = (t for t, token in enumerate(row) if token in stops)
            found[i] = row[: min(ends, default=len(row))]
    return [found[i] for i in range(len(prompts))]


def _says_one(items: Sequence[Item], fingerprint: Callable[[str], str]) -> Callable[[str], bool]:
    """Whether a text says one of the items, or half of one: what is held must not be that."""
    blamed = {normalise(item.blamed) for item in items if item.blamed and not item.is_destroyed}
    gone = {item.fingerprint for item in items if item.is_destroyed}
    lengths = {item.blamed_chars for item in items if item.is_destroyed}

    def says_one(text: str) -> bool:
        if any(
            fingerprint(text[i : i + n]) in gone
            for n in lengths
            for i in range(max(1, len(text) - n + 1))
        ):
            return True
        text = normalise(text)
        return any(_piece(one, text) >= ALIKE * min(len(one), len(text)) for one in blamed)

    return says_one


def _piece(one: str, other: str) -> int:
    """Characters of the longest piece that both have."""
    return SequenceMatcher(None, one, other, autojunk=False).find_longest_match().size
