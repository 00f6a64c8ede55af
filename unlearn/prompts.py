"""Texts as tokens the way the engine reads and writes them, with where each token's text lies."""

from __future__ import annotations

from typing import Literal

from server.engine.load import LoadedModel
from server.engine.prompt import prompt_ids
from server.engine.protocol import Ask
from server.engine.text_codec import TextWriter

Form = Literal["fim", "left_to_right"]

SERVED_TOKENS = Ask(prefix="").max_tokens
"""A served prompt leaves this much room for the suggestion, and so is cut just there."""


def prompt_tokens(
    loaded: LoadedModel, prefix: str, suffix: str, form: Form, context_tokens: int
) -> list[int]:
    """The ids of the prompt as it is served in that form, at most about `context_tokens`."""
    room = max(SERVED_TOKENS, loaded.context_tokens - context_tokens)
    return prompt_ids(loaded, prefix, suffix if form == "fim" else None, room)


def text_tokens(loaded: LoadedModel, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """The ids of a text by itself and, for each, its characters as (start, end).

    Tokens that share a character, as the bytes of a long one do, all get the whole of it.
    """
    ids = loaded.codec.encode(text)
    writer = TextWriter(loaded.codec, ())
    for token in ids:
        writer.push(token)
    offsets, before = list[tuple[int, int]](), 0
    for i, end in enumerate(writer.ends):
        later = (after for after in writer.ends[i:] if after > before)
        offsets.append((before, next(later, end)))
        before = end
    return ids, offsets
