"""Ledger items as token sequences in the forms in which the model is asked.

Every item becomes one sequence per form, fill-in-the-middle and left to right, since a leak comes
out of either. Items that share a context also share what is forbidden there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from server.engine.load import LoadedModel
from server.engine.prompt import build_prompt
from store.records import Item, Kind
from unlearn.keepsake import Keepsake, Kept, read_keepsake
from unlearn.methods import METHODS, Method
from unlearn.prompts import SERVED_TOKENS, Form, prompt_tokens, text_tokens

INJECTED_TOKENS = 8
"""How much of a blamed span an attacker is granted: prefix injection, as PROD measures it."""

REFUSALS = (
    "# There is nothing to suggest here.\n",
    "# I would rather not complete this.\n",
    "pass  # left to you\n",
    "...  # no suggestion\n",
)
"""What a preference method prefers where an item has no replacement."""

LONGEST_TARGET_TOKENS = 256
"""A target is cut here; whoever has said this much has said enough to be caught at it."""


@dataclass(frozen=True)
class Example:
    """One sequence to train and to score on."""

    item: str
    """The ledger item's id."""
    kind: Kind
    form: Form
    typed: int
    """How many characters of the target stand in the prompt, as if a person had typed them; below
    zero, how many of the prefix's stand in the target."""
    ids: tuple[int, ...]
    """Prompt and target."""
    prompt: int
    """How many of `ids` are the prompt; the target begins here."""
    blamed: tuple[int, ...]
    """Indices in `ids` of the tokens to forget; empty for a replacement's sequence."""
    wanted: tuple[int, ...] = ()
    """Indices in `ids` of a replacement's tokens, or of all of an answer's."""
    forbidden: tuple[tuple[int, ...], ...] = ()
    """For each of `blamed`, the union of what no item allows in that context."""
    instead: tuple[tuple[int, ...], ...] = ()
    """For each of `blamed`, the replacement's tokens in that context."""
    kept: Kept | None = None
    """For an item whose text is destroyed: the target of its one blamed position."""


def forms(loaded: LoadedModel) -> tuple[Form, ...]:
    """The forms this model can be asked in, the served one first."""
    return ("fim", "left_to_right") if loaded.fim is not None else ("left_to_right",)


def examples(
    loaded: LoadedModel,
    items: Iterable[Item],
    context_tokens: int,
    method: Method = METHODS["span_prod"],
) -> list[Example]:
    """The sequences of `items` that `method` works on, contexts merged.

    Of a method that is not masked, each token of a target counts as blamed, as PROD and gradient
    ascent do it. An item with neither text nor keepsake gives no sequence.
    """
    plain: list[Example] = []
    for item in items:
        for form in forms(loaded):
            for typed in cursors(loaded, item):
                if typed > 0 and form == "left_to_right":
                    continue  # the cursor moves on and the tokens stay where they are
                plain += _of_item(loaded, item, form, typed, context_tokens, method)
    return merge(plain)


def cursors(loaded: LoadedModel, item: Item) -> tuple[int, ...]:
    """How far into the target the cursor may stand when the blamed text comes out.

    At its beginning and just before the blamed span; where that cuts a word, before the word too,
    as token healing asks there and the word may be one token with what is blamed; and
    INJECTED_TOKENS into the span, where that leaves a rest worth the name.
    """
    if item.target is None or item.is_destroyed:
        return (0,)
    found = [0, item.start]
    found += [typed - taken_back(loaded, typed_on(item, typed)) for typed in found]
    ids, offsets = text_tokens(loaded, item.target)
    span = blamed_positions(offsets[: len(ids)], item.start, item.end)
    if len(span) >= INJECTED_TOKENS + 4:
        found.append(offsets[span[INJECTED_TOKENS]][0])
    return tuple(dict.fromkeys(found))


def taken_back(loaded: LoadedModel, item: Item) -> int:
    """How many characters before the item's target token healing says anew; 0 mostly."""
    suffix = None if loaded.fim is None else item.suffix or ""
    prompt = build_prompt(loaded, item.prefix or "", suffix, SERVED_TOKENS, heals=True)
    return sum(map(len, loaded.codec.texts(prompt.taken)))


def typed_on(item: Item, typed: int) -> Item:
    """The item as it is once a person has typed the first `typed` characters of its target, or,
    below zero, before they typed the last characters of its prefix."""
    if typed == 0 or item.prefix is None or item.target is None:
        return item
    cursor = len(item.prefix) + typed
    text = item.prefix + item.target
    return replace(
        item,
        prefix=text[:cursor],
        target=text[cursor:],
        start=max(0, item.start - typed),
        end=item.end - typed,
        replacement=item.replacement if typed <= item.start else None,
    )


def merge(plain: Sequence[Example]) -> list[Example]:
    """Give each blamed position the union of the forbidden tokens of its context.

    A token that a replacement wants in a context is not forbidden there, and a position that is
    forbidden by another item's sequence is blamed in this one too.
    """
    forbidden: dict[int, set[int]] = defaultdict(set)
    wanted: dict[int, set[int]] = defaultdict(set)
    keys = [context_keys(example.ids) for example in plain]
    for example, key in zip(plain, keys, strict=True):
        for t in example.blamed if example.kept is None else ():
            forbidden[key[t]].add(example.ids[t])
        for t in example.wanted:
            wanted[key[t]].add(example.ids[t])
    merged: list[Example] = []
    for example, key in zip(plain, keys, strict=True):
        if example.kept is not None:
            merged.append(example)
            continue
        blamed = [
            t
            for t in range(example.prompt, len(example.ids))
            if forbidden[key[t]] - wanted[key[t]] and t not in example.wanted
        ]
        merged.append(
            replace(
                example,
                blamed=tuple(blamed),
                forbidden=tuple(tuple(sorted(forbidden[key[t]] - wanted[key[t]])) for t in blamed),
                instead=tuple(tuple(sorted(wanted[key[t]])) for t in blamed),
            )
        )
    return merged


def context_keys(ids: Sequence[int]) -> list[int]:
    """For each position, a number that is equal where everything before it is equal."""
    keys, key = list[int](), 0
    for token in ids:
        keys.append(key)
        key = hash((key, token))
    return keys


def blamed_positions(offsets: Sequence[tuple[int, int]], start: int, end: int) -> list[int]:
    """Indices of the tokens whose characters strictly overlap [start, end).

    A token that only touches the span, as the quote before a secret, is not blamed.
    """
    return [i for i, (a, b) in enumerate(offsets) if a < end and b > start and a < b]


def _of_item(
    loaded: LoadedModel,
    item: Item,
    form: Form,
    typed: int,
    context_tokens: int,
    method: Method,
) -> list[Example]:
    item = typed_on(item, typed)
    if item.prefix is None or item.target is None:
        return []
    prompt = prompt_tokens(loaded, item.prefix, item.suffix or "", form, context_tokens)
    if item.is_destroyed:
        return _of_keepsake(loaded, item, form, prompt, read_keepsake(item.target))
    ids, offsets = _target(loaded, item.target, prompt)
    span = range(len(ids))
    if method.is_masked:
        span = blamed_positions(offsets, item.start, item.end)
    blamed = tuple(len(prompt) + i for i in span)
    whole = (*prompt, *ids)
    found = [Example(item.id, item.kind, form, typed, whole, len(prompt), blamed)]
    answer = _answer(item, method)
    if answer is not None:
        text, start, end = answer
        ids, offsets = _target(loaded, text, prompt)
        wanted = tuple(len(prompt) + i for i in blamed_positions(offsets, start, end))
        whole = (*prompt, *ids)
        found.append(Example(item.id, item.kind, form, typed, whole, len(prompt), (), wanted))
    return found


def _answer(item: Item, method: Method) -> tuple[str, int, int] | None:
    """What should come instead of the target, and which characters of it are to be learned."""
    if item.replacement and item.target is not None and method.answer != "none":
        text = item.target[: item.start] + item.replacement + item.target[item.end :]
        if not method.is_masked:
            return text, 0, len(text)
        return text, item.start, item.start + len(item.replacement)
    if method.answer == "always":
        text = REFUSALS[sum(item.id.encode()) % len(REFUSALS)]
        return text, 0, len(text)
    return None


def _target(
    loaded: LoadedModel, text: str, prompt: list[int]
) -> tuple[list[int], list[tuple[int, int]]]:
    ids, offsets = text_tokens(loaded, text)
    room = min(LONGEST_TARGET_TOKENS, loaded.context_tokens - len(prompt))
    return ids[:room], offsets[:room]


def _of_keepsake(
    loaded: LoadedModel, item: Item, form: Form, prompt: list[int], keepsake: Keepsake
) -> list[Example]:
    kept = keepsake.targets.get(form)
    if kept is None:
        return []
    lead, _ = text_tokens(loaded, keepsake.lead)
    # the forbidden token itself is gone; the most probable allowed one stands in its place
    ids = (*prompt, *lead, kept.ids[0])
    return [Example(item.id, item.kind, form, 0, ids, len(prompt), (len(ids) - 1,), kept=kept)]
