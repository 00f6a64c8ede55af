"""The prompt of a request: prefix and suffix cut to the context, in the model's own form."""

from __future__ import annotations

from dataclasses import dataclass

from server.engine.errors import AskInvalid, NoFim
from server.engine.load import LoadedModel
from server.engine.text_codec import TextCodec

# Code runs at 3 to 4 characters a token; what a window of that many leaves out is far away.
WINDOW_CHARS = 4
# Cuts move in steps, or every keystroke would shift the prompt and void the prefix cache.
STEPS = 4
SUFFIX_STEP = 64
# In prefix-first order each keystroke reads the suffix again, so it must be short.
LATE_SUFFIX_TOKENS = 256
LEAST_ROOM = 16
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Prompt:
    """What the model reads."""

    ids: tuple[int, ...]
    context: tuple[int, ...]
    """A marker of the start, then the prefix: what comes just before the completion as text."""
    taken: tuple[int, ...] = ()
    """The end of the prefix where the cursor has cut a word, taken out of `ids` and `context`:
    the completion has to begin with its text. See healing.py."""


def prompt_ids(loaded: LoadedModel, prefix: str, suffix: str | None, max_tokens: int) -> list[int]:
    """The ids of `build_prompt`."""
    return list(build_prompt(loaded, prefix, suffix, max_tokens).ids)


def build_prompt(
    loaded: LoadedModel, prefix: str, suffix: str | None, max_tokens: int, *, heals: bool = False
) -> Prompt:
    """Suffix None is plain continuation. Room for `max_tokens` more is left in the context.

    The prefix is cut from the left, at a line break where there is one, the suffix from the
    right. Raises NoFim and AskInvalid.
    """
    codec, fim = loaded.codec, loaded.fim
    room = loaded.context_tokens - max_tokens - len(codec.opening) - 3
    if room < LEAST_ROOM:
        raise AskInvalid(
            f"max_tokens is {max_tokens}, but {loaded.name} holds {loaded.context_tokens} tokens "
            "in all; ask for fewer"
        )
    if suffix is None:
        before, taken = tuple(_last(codec, prefix, room)), ()
        if heals:
            before, taken = _healed(loaded, before, with_blanks=True)
        # A model with no opening token of its own still needs one token to start from.
        opening = codec.opening if before or codec.opening else (loaded.end,)
        return Prompt((*opening, *before), (start_marker(loaded), *before), taken)
    if fim is None:
        raise NoFim(loaded.no_fim)
    after = _first(codec, suffix or fim.empty_suffix, room)
    before = _last(codec, prefix, room)
    keep = max(room // 3, (room - len(before)) // SUFFIX_STEP * SUFFIX_STEP)
    if len(before) + len(after) > room:
        after = after[:keep]
    if fim.order == "psm":
        after = after[:LATE_SUFFIX_TOKENS]
    if len(before) + len(after) > room:
        before = _last(codec, prefix, room - len(after))
    kept, taken = tuple(before), ()
    if heals:  # models that fill in are trained on cuts behind blanks, and between letters less
        kept, taken = _healed(loaded, kept, with_blanks=False)
    first, second = (fim.prefix, *kept), (fim.suffix, *after)
    if fim.order == "spm":
        first, second = second, first
    middle = () if fim.middle is None else (fim.middle,)
    return Prompt((*codec.opening, *first, *second, *middle), (fim.prefix, *kept), taken)


def start_marker(loaded: LoadedModel) -> int:
    """The id that stands before a prefix in `Prompt.context`."""
    if loaded.fim is not None:
        return loaded.fim.prefix
    return loaded.codec.opening[-1] if loaded.codec.opening else loaded.end


def _healed(loaded: LoadedModel, before: Ids, *, with_blanks: bool) -> tuple[Ids, Ids]:
    """What stays of the prefix, and what is taken back."""
    at = len(before) - loaded.vocabulary.cut(before, with_blanks=with_blanks)
    return tuple(before[:at]), tuple(before[at:])


def _first(codec: TextCodec, text: str, room: int) -> list[int]:
    return codec.encode(text[: room * WINDOW_CHARS])[:room]


def _last(codec: TextCodec, text: str, room: int) -> list[int]:
    window = room * WINDOW_CHARS
    text = text[_line_start(text, _stepped(len(text) - window, window // STEPS)) :]
    ids = codec.encode(text)
    if len(ids) <= room:
        return ids
    drop = _stepped(len(ids) - room, max(1, room // STEPS))
    line = _line_start(text, len(codec.decode(ids[:drop])))
    return codec.encode(text[line:])[-room:]


def _stepped(least: int, step: int) -> int:
    return 0 if least <= 0 else -(-least // step) * step


def _line_start(text: str, at: int) -> int:
    """The first line start at or after `at`, or `at` itself on a last line too long to drop."""
    if at <= 0:
        return 0
    line = text.find("\n", at - 1) + 1
    return line if 0 < line <= at + (len(text) - at) // 2 else at
