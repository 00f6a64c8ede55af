"""Guesses the next tokens from the text so far, so that one pass of the model reads several.

A guess never changes what is said: each token is chosen from the model's own logits, and guesses
that differ from it are read back out of the sequence.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from collections.abc import Sequence as Ids

from torch import Tensor

from server.engine.sequence import Sequence

FEWEST, MOST = 2, 8
"""So many tokens are guessed at once: twice as many after all were right, the fewest after a miss.
Each costs about a seventh of a pass."""
LONGEST, SHORTEST = 4, 2
"""Of the end of the text, so many tokens must have stood somewhere before."""


class NgramDrafts:
    """What followed the last place where the text ended as it ends now."""

    def __init__(self, ids: Ids[int]) -> None:
        self._ids = array("I", ids)
        self._text = self._ids.tobytes()

    def push(self, token: int) -> None:
        """The text goes on with `token`."""
        self._ids.append(token)
        self._text += self._ids[-1:].tobytes()

    def propose(self, count: int = MOST) -> list[int]:
        """At most `count` tokens that may come next; none where the end of the text is new."""
        width = self._ids.itemsize
        for length in range(min(LONGEST, len(self._ids) - 1), SHORTEST - 1, -1):
            end = self._text[-length * width :]
            at = self._text.rfind(end, 0, -1)
            while at % width:  # -1 where there is none
                if at < 0:
                    break
                at = self._text.rfind(end, 0, at + len(end) - 1)
            if at >= 0:
                follows = at // width + length
                return self._ids[follows : follows + count].tolist()
        return []


class Lookahead:
    """Reads on token by token, and where there is a guess, several at once."""

    def __init__(
        self,
        sequence: Sequence,
        drafts: NgramDrafts | None,
        guesses: Iterable[tuple[int, Tensor]] = (),
    ) -> None:
        """`guesses`: what `sequence` has read ahead already, each with the logits after it."""
        self._sequence = sequence
        self._drafts = drafts if sequence.can_rewind else None
        self._guesses = deque(guesses)
        self._length = len(sequence.tokens) - len(self._guesses)
        """Of what was said; guesses stand behind it."""
        self._reach = FEWEST

    def after(self, token: int) -> Tensor:
        """The logits (vocabulary,) after the text so far and `token`."""
        self._length += 1
        if self._drafts is not None:
            self._drafts.push(token)
        if self._guesses:
            guess, logits = self._guesses.popleft()
            if guess == token:
                if not self._guesses:
                    self._reach = min(2 * self._reach, MOST)
                return logits
            self._guesses.clear()
            self._reach = FEWEST
        self._sequence.rewind(self._length - 1)
        guesses = [] if self._drafts is None else self._drafts.propose(self._reach)
        if not guesses:
            return self._sequence.read([token])
        logits = self._sequence.read_last([token, *guesses], 1 + len(guesses))
        self._guesses.extend(zip(guesses, logits[1:], strict=True))
        return logits[0]
