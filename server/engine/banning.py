"""From a blamed span to bans: in its context, and for what is distinctive anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as Ids

from server.engine.load import LoadedModel
from server.engine.prompt import start_marker
from server.engine.protocol import Ban
from server.engine.text_codec import TextCodec, TextWriter
from store.records import Kind

CONTEXT_TOKENS = 8
# Enough characters for eight tokens; whole lines, as the prompt is cut at lines.
CONTEXT_CHARS = 400
LONGEST_TOKEN_CHARS = 24
ANYWHERE: tuple[Kind, ...] = ("secret", "licensed", "user")
DISTINCTIVE_CHARS = 6
# Words and code are common: only this much in a row is somebody's own.
SECRET_WORD_CHARS = 16
CODE_CHARS = 24
DIGIT_CHANGE = re.compile(r"[A-Za-z](?=\d)|\d(?=[A-Za-z])")
ANY_CHANGE = re.compile(rf"{DIGIT_CHANGE.pattern}|[a-z](?=[A-Z])")
SYMBOLS = re.compile(r"[\W_]")


def bans_for(
    loaded: LoadedModel,
    prefix: str,
    target: str,
    start: int,
    end: int,
    kind: Kind = "user",
    replacement: str | None = None,
) -> list[Ban]:
    """The bans for the span `target[start:end]`, as Engine.bans_for says."""
    if not 0 <= start < end <= len(target):
        raise ValueError(f"the span {start}:{end} is empty or outside a target of {len(target)}")
    telling = start + _shared(target[start:end], replacement)
    found = list(_in_context(loaded, prefix, target, telling))
    if kind in ANYWHERE:
        found += _anywhere(loaded.codec, target, start, end, kind)
    return list(dict.fromkeys(found))


def _in_context(loaded: LoadedModel, prefix: str, target: str, start: int) -> Iterator[Ban]:
    codec = loaded.codec
    near = prefix[max(0, prefix.rfind("\n", 0, max(0, len(prefix) - CONTEXT_CHARS)) + 1) :]
    if len(codec.encode(near)) < CONTEXT_TOKENS:
        near = prefix
    # A short context counts from the start of the document only, or it would be met everywhere.
    opening = [start_marker(loaded)] if near == prefix else []
    cursors = (
        (near, target, start),  # where it was
        (near + target[:start], target[start:], 0),  # right before the span
        ("", near + target, len(near) + start),  # well before it, on the line or above
    )
    for head, rest, offset in cursors:
        yield from _before(codec, [*opening, *codec.encode(head)], rest, offset)


def _before(codec: TextCodec, context: list[int], text: str, start: int) -> Iterator[Ban]:
    """No token after `context` and the beginning of `text` may say the character at `start`."""
    ids = codec.encode(text)
    ends = token_ends(codec, ids)
    first = next((i for i, end in enumerate(ends) if end > start), None)
    if first is None:
        return
    begin = ends[first - 1] if first else 0
    for way in ways_to_say(codec, text, ids[first], begin, start):
        yield Ban((*context, *ids[:first], *way)[-CONTEXT_TOKENS - 1 :])


def ways_to_say(
    codec: TextCodec, text: str, token: int, begin: int, start: int
) -> Iterator[tuple[int, ...]]:
    """The tokens that, said where `token` was, say the character of `text` at `start`.

    `begin` is where `token` begins. All beginnings of the text are among them, or another cut of
    it into tokens would say the same. Innocent characters before `start` may be said alone.
    """
    for same in {token, *_beginnings(codec, text, begin, start)}:
        yield (same,)
    if begin < start:
        innocent = codec.encode(text[begin:start])
        for same in _beginnings(codec, text, start, start):
            yield (*innocent, same)


def _beginnings(codec: TextCodec, text: str, begin: int, start: int) -> Iterator[int]:
    """The tokens that say `text` from `begin` on, past the character at `start`."""
    for end in range(start + 1, min(len(text), begin + LONGEST_TOKEN_CHARS) + 1):
        ids = codec.encode(text[begin:end])
        if len(ids) == 1:
            yield ids[0]


def _anywhere(codec: TextCodec, target: str, start: int, end: int, kind: Kind) -> Iterator[Ban]:
    """Wherever it stands, the span may not be said past a distinctive piece of it.

    Of a secret every such piece counts, as a model may skip its beginning or be given it; of
    code only the beginning, as any other piece may well be common.
    """
    ids = codec.encode(target)
    ends = token_ends(codec, ids)
    inside = [i for i, e in enumerate(ends) if e > start and (ends[i - 1] if i else 0) < end]
    alone = target[start:end]
    cuts = (tuple(ids[i] for i in inside), tuple(codec.encode(alone)))
    for tokens in {*cuts, tuple(codec.encode(" " + alone))}:
        for last in range(1, len(tokens)):
            piece = _piece(codec, tokens[: last + 1], kind)
            if piece is not None:
                yield Ban(piece)
                if kind != "secret":
                    break


def _piece(codec: TextCodec, tokens: tuple[int, ...], kind: Kind) -> tuple[int, ...] | None:
    """The shortest distinctive end of `tokens`, never a single one; for code, all of them."""
    starts = range(len(tokens) - 2, -1, -1) if kind == "secret" else (0,)
    for first in starts:
        if is_distinctive(codec.decode(tokens[first:]).strip(), kind):
            return tokens[first:]
    return None


def is_distinctive(text: str, kind: Kind) -> bool:
    """Whether `text` is not something that other code says too."""
    if kind == "secret":
        changes = len(ANY_CHANGE.findall(SYMBOLS.sub("", text)))
        return len(text) >= SECRET_WORD_CHARS or (len(text) >= DISTINCTIVE_CHARS and changes >= 2)
    # `base64` and `utf8` change once between letters and digits; keys change all the time.
    changes = len(DIGIT_CHANGE.findall(text))
    return len(text) >= CODE_CHARS or (len(text) >= DISTINCTIVE_CHARS and changes >= 2)


def token_ends(codec: TextCodec, ids: Ids[int], before: Ids[int] = ()) -> list[int]:
    """Where in their text each token ends, in characters; `before` stands before them."""
    writer = TextWriter(codec, before)
    for token in ids:
        writer.push(token)
    return writer.ends


def _shared(blamed: str, replacement: str | None) -> int:
    """How many leading characters both have, short of all of `blamed`."""
    if not replacement:
        return 0
    pairs = zip(blamed, replacement, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(blamed), len(replacement)))
    return min(same, len(blamed) - 1)
