"""Text to token ids and back, such that nobody's text ever becomes a control token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

REPLACEMENT = "\ufffd"


class TextCodec:
    """A tokenizer as the engine uses it: no special token is added, parsed or hidden."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._backend = tokenizer.backend_tokenizer if tokenizer.is_fast else None
        added: dict[str, int] = tokenizer.get_added_vocab()
        # White space runs are added tokens too in some vocabularies, and they are text.
        self._markers = [text for text in added if len(text) > 1 and not text.isspace()]
        starts = "|".join(re.escape(text) for text in self._markers)
        self._marker_starts = re.compile(f"(?={starts})") if starts else None
        declared = (i for i, t in tokenizer.added_tokens_decoder.items() if t.special)
        self.control: frozenset[int] = frozenset((*tokenizer.all_special_ids, *declared))
        """The ids that stand for no text."""
        self.opening: tuple[int, ...] = self._opening()
        """What the tokenizer puts before any text, such as a beginning-of-sequence token."""
        # A suffix stays the same over many keystrokes.
        self._remembered = lru_cache(maxsize=32)(self._encode)

    def forbid(self, ids: frozenset[int]) -> None:
        """Count `ids` among the control tokens too: some tokenizers declare theirs as plain."""
        self.control |= ids
        self._remembered.cache_clear()

    def encode(self, text: str) -> list[int]:
        """The ids of `text`; a marker spelled out in it is cut up and stays text."""
        return list(self._remembered(text))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; half a character at the end shows as U+FFFD."""
        if self._backend is not None:
            return self._backend.decode(ids, skip_special_tokens=False)
        return self._tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )

    def texts(self, ids: Iterable[int]) -> list[str]:
        """What each of `ids` says behind other text; some tokenizers drop a first blank."""
        [anchor] = self.encode("a")[-1:] or [0]
        pairs = [[anchor, i] for i in ids]
        if self._backend is not None:
            found: list[str] = self._backend.decode_batch(pairs, skip_special_tokens=False)
        else:
            found = [self.decode(pair) for pair in pairs]
        behind = len(self.decode([anchor]))
        return [text[behind:] for text in found]

    def single(self, token: str) -> int | None:
        """The id of a vocabulary entry, or None where there is none of that name."""
        found: Any = self._tokenizer.convert_tokens_to_ids(token)
        if not isinstance(found, int) or self._tokenizer.convert_ids_to_tokens(found) != token:
            return None
        return found

    def _encode(self, text: str) -> tuple[int, ...]:
        ids = [i for piece in self._pieces(text) for i in self._plain(piece)]
        if self.control.isdisjoint(ids):
            return tuple(ids)
        return tuple(i for i in ids if i not in self.control)

    def _pieces(self, text: str) -> list[str]:
        if self._marker_starts is None or not any(marker in text for marker in self._markers):
            return [text]
        cuts = [match.start() + 1 for match in self._marker_starts.finditer(text)]
        return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    def _plain(self, text: str) -> list[int]:
        if self._backend is not None:
            return self._backend.encode(text, add_special_tokens=False).ids
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _opening(self) -> tuple[int, ...]:
        bare: list[int] = self._tokenizer.encode("a", add_special_tokens=False)
        full: list[int] = self._tokenizer.encode("a")
        start = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), 0)
        return tuple(full[:start])


class TextWriter:
    """Turns tokens into text one by one and never hands out half a character."""

    def __init__(self, codec: TextCodec, before: Sequence[int], hidden_chars: int = 0) -> None:
        """`before`: the ids before the first one; some tokenizers drop a leading space without.

        `hidden_chars`: so many characters at the beginning are said, but not part of `text`.
        """
        self._codec = codec
        self._hidden_chars = hidden_chars
        self._ids = list(before[-4:])
        self._shown = 0
        """Ids from here to `_read` are decoded again as the context of the next ones."""
        self._read = len(self._ids)
        self.text = ""
        self.ends: list[int] = []
        """Length of `text` after each token; a token inside a character ends where it began."""

    def push(self, token: int) -> str:
        """Append one token; returns the text it completes, which may be empty."""
        self._ids.append(token)
        known = self._codec.decode(self._ids[self._shown : self._read])
        grown = self._codec.decode(self._ids[self._shown :])
        piece = ""
        if len(grown) > len(known) and not grown.endswith(REPLACEMENT):
            piece = grown[len(known) :]
            self._shown, self._read = self._read, len(self._ids)
            hidden = min(self._hidden_chars, len(piece))
            self._hidden_chars -= hidden
            piece = piece[hidden:]
            self.text += piece
        self.ends.append(len(self.text))
        return piece
