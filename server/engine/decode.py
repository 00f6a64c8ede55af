"""The decode loop: read a prompt, then say token by token, with a cancel flag between the steps."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Ids

from torch import Tensor

from server.engine.drafts import Lookahead
from server.engine.sequence import Branches, Sequence
from server.engine.utterance import Decoded, Utterance

# Between two of these a cancelled request waits for at most one chunk.
CHUNK_TOKENS = 256


def prefill(
    sequence: Sequence, ids: Ids[int], cancelled: Callable[[], bool], guesses: Ids[int] = ()
) -> Tensor | None:
    """Read what `sequence` has not read of `ids`, and `guesses` of what comes next behind them.

    The logits (1 + guesses, vocabulary) after `ids` and after each guess, None if cancelled. A
    cancelled read leaves what was read in place, for the next request to start from.
    """
    logits: Tensor | None = None
    for start in range(len(sequence.tokens), len(ids), CHUNK_TOKENS):
        if cancelled():
            return None
        end = start + CHUNK_TOKENS
        ahead = guesses if end >= len(ids) else ()
        logits = sequence.read_last([*ids[start:end], *ahead], 1 + len(ahead))
    return logits


def decode(
    ahead: Lookahead, logits: Tensor, utterance: Utterance, cancelled: Callable[[], bool]
) -> Decoded:
    """Say on from `logits` (vocabulary,), which are changed, until the utterance is over.

    The sequence under `ahead` may have read more in the end than was said.
    """
    while not utterance.is_over:
        if cancelled():
            utterance.cancel()
            break
        token = utterance.say(logits)
        if token is not None:
            logits = ahead.after(token)
    return utterance.decoded()


def decode_together(
    branches: Branches, logits: Tensor, utterances: Ids[Utterance], cancelled: Callable[[], bool]
) -> list[Decoded]:
    """Say on in all branches at once; one that is over costs nothing more.

    logits (vocabulary,): after the text that all branches go on from.
    """
    live = [one for one in utterances if not one.is_over]
    rows = logits.repeat(len(live), 1)
    while live:
        if cancelled():
            for one in live:
                one.cancel()
            break
        said = [one.say(row) for one, row in zip(live, rows, strict=True)]
        going = [(i, token) for i, token in enumerate(said) if token is not None]
        if len(going) < len(live):
            live = [live[i] for i, _ in going]
            branches.keep([i for i, _ in going])
        if live:
            rows = branches.read([token for _, token in going])
    return [one.decoded() for one in utterances]
