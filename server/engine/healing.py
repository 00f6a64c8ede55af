"""Token healing: a word that the cursor has cut is said anew, so that it can be said as one token.

After `impor` a model that reads in tokens has hardly ever seen `t`, as the word is `import`, one
token, in all it has read. So the last tokens of the prefix are taken back, and the completion has
to begin with their text, in whatever tokens the model finds best.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable
from collections.abc import Sequence as Ids

import torch
from torch import Tensor

from server.engine.text_codec import REPLACEMENT, TextCodec

MOST_TOKENS = 4
"""So many are taken back at most: no word is cut into many more that one token could say."""
LAST = chr(0x10FFFF)


class Vocabulary:
    """The texts of all tokens that say whole characters, in order; control tokens are not there."""

    def __init__(self, codec: TextCodec, size: int) -> None:
        self._codec = codec
        texts = codec.texts(range(size))
        rows = [
            (text, i)
            for i, text in enumerate(texts)
            if text and REPLACEMENT not in text and i not in codec.control
        ]
        rows.sort()
        self._texts = [text for text, _ in rows]
        self._ids = torch.tensor([i for _, i in rows], dtype=torch.long)
        self._text_of = {i: text for text, i in rows}
        self._longest = max((len(text) for text in self._texts), default=0)

    def text(self, ids: Iterable[int]) -> str | None:
        """What `ids` say one after the other; None if one of them says no whole characters."""
        texts = [self._text_of.get(i) for i in ids]
        return None if None in texts else "".join(text for text in texts if text is not None)

    def beyond(self, text: str) -> Tensor:
        """The ids of the tokens that say `text` and go on."""
        return self._ids[bisect_right(self._texts, text) : self._end(text)]

    def beginning(self, text: str) -> Tensor:
        """The ids of the tokens that say `text`, whether or not they go on."""
        return self._ids[bisect_left(self._texts, text) : self._end(text)]

    def within(self, text: str) -> Tensor:
        """The ids of the tokens that say a beginning of `text`, all of it too, and no more."""
        parts = [text[:end] for end in range(1, min(len(text), self._longest) + 1)]
        spans = (
            (bisect_left(self._texts, part), bisect_right(self._texts, part)) for part in parts
        )
        return torch.cat([self._ids[:0], *(self._ids[a:b] for a, b in spans)])

    def cut(self, before: Ids[int], *, with_blanks: bool) -> int:
        """How many ids at the end of `before` are to be said anew, as the cursor has cut a word.

        0 behind a word that no token goes on from, behind a bracket, an operator or a line break.
        `with_blanks`: a last blank counts as the beginning of the next word.
        """
        last = self.text(before[-1:])
        if last and (last[-1].isalnum() or last[-1] == "_"):
            return self._cut_word(before)
        return self._cut_blanks(before) if with_blanks and last and last[-1] == " " else 0

    def _cut_word(self, before: Ids[int]) -> int:
        found = 0
        for count in range(1, min(MOST_TOKENS, len(before)) + 1):
            text = self.text(before[-count:])
            if text is None:
                break
            if len(self.beyond(text)):
                found = count
        return found

    def _cut_blanks(self, before: Ids[int]) -> int:
        """In most vocabularies the last blank before a word belongs to the word's token."""
        count = 0
        while count < min(MOST_TOKENS, len(before)) and self._is_blank(before[-count - 1]):
            count += 1
        blanks = tuple(before[len(before) - count :])
        with_word = self._codec.encode((self.text(blanks) or "") + "x")
        return 0 if tuple(with_word[:count]) == blanks else count

    def _is_blank(self, token: int) -> bool:
        text = self._text_of.get(token)
        return text is not None and not text.strip(" ")

    def _end(self, text: str) -> int:
        return bisect_left(self._texts, text + LAST)


class Beginning:
    """What a completion still has to say again of the prefix, token by token."""

    def __init__(self, vocabulary: Vocabulary, text: str, forbidden: Collection[int] = ()) -> None:
        """`text`: what was taken back. `forbidden`: the ids that must not come right behind it,
        and that no token that says more than `text` may say in their place."""
        self._vocabulary = vocabulary
        self._rest = text
        self._forbidden = [more for i in forbidden if (more := vocabulary.text([i]))]

    @property
    def is_said(self) -> bool:
        return not self._rest

    def within(self) -> Tensor:
        """The ids of the tokens that say no more than what is left."""
        return self._vocabulary.within(self._rest)

    def beyond(self) -> Tensor:
        """The ids of the tokens that say all that is left and more."""
        beyond = self._vocabulary.beyond(self._rest)
        for more in self._forbidden:
            beyond = beyond[~torch.isin(beyond, self._vocabulary.beginning(self._rest + more))]
        return beyond

    def advance(self, token: int) -> None:
        """`token`, one of the above, has been said."""
        self._rest = self._rest[len(self._vocabulary.text([token]) or "") :]
