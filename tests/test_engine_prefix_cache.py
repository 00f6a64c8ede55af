"""The prefix cache: fewer tokens read, the same text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tiny_model import FILES

from server.engine.load import load_model
from server.engine.local import LocalEngine
from server.engine.prefix_cache import PrefixCache, common_length
from server.engine.protocol import Ask
from server.engine.sequence import ModuleSequence


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> LocalEngine:
    return LocalEngine(load_model(tiny_model, "cpu"))


@pytest.mark.parametrize("name", FILES)
def test_typing_gives_the_same_texts_with_and_without_the_cache(
    engine: LocalEngine, name: str
) -> None:
    prefix, target, suffix = FILES[name]
    typed = [prefix + target[:i] for i in (0, 1, 3, 2, 7, 0)]

    warm = [engine.complete(Ask(p, suffix, document=name))[0] for p in typed]
    cold = [engine.complete(Ask(p, suffix, document=f"{name} {i}"))[0] for i, p in enumerate(typed)]

    assert [c.text for c in warm] == [c.text for c in cold]
    assert [c.tokens for c in warm] == [c.tokens for c in cold]
    assert all(c.cached_tokens > c.prompt_tokens / 2 for c in warm[1:])
    assert all(c.cached_tokens == 0 for c in cold)


def test_the_same_prompt_again_reads_one_token(engine: LocalEngine) -> None:
    prefix, _, suffix = FILES["aws"]
    ask = Ask(prefix, suffix, document="again")

    engine.complete(ask)
    [completion] = engine.complete(ask)

    assert completion.cached_tokens == completion.prompt_tokens - 1


def test_reading_on_after_going_back_gives_the_same_logits(engine: LocalEngine) -> None:
    ids = engine.loaded.codec.encode(FILES["github"][0] * 16)
    straight = ModuleSequence(engine.loaded.model)
    wandering = ModuleSequence(engine.loaded.model)

    expected = straight.read(ids)
    wandering.read(ids[:200])
    wandering.read(ids[200:270])
    assert wandering.rewind(50)
    wandering.read(ids[50:60])
    logits = wandering.read(ids[60:])

    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
    assert wandering.tokens == straight.tokens


class _Counted:
    """A sequence that only counts; for what the cache itself does."""

    def __init__(self, rewinds: bool = True) -> None:
        self.tokens: list[int] = []
        self.size_bytes = 100
        self._rewinds = rewinds

    def read(self, ids: Sequence[int]) -> torch.Tensor:
        self.tokens += ids
        return torch.zeros(1)

    def read_last(self, ids: Sequence[int], rows: int) -> torch.Tensor:
        return self.read(ids)

    def branches(self, count: int, room: int) -> None:
        """It has none."""

    @property
    def can_rewind(self) -> bool:
        return self._rewinds

    def rewind(self, length: int) -> bool:
        if self._rewinds:
            del self.tokens[length:]
        return self._rewinds or length == len(self.tokens)


def test_the_document_longest_unused_goes_first() -> None:
    cache = PrefixCache(_Counted, documents=2)
    for document in ("a", "b", "a", "c"):
        sequence = cache.take(document, [1, 2, 3])
        sequence.read([1, 2, 3][len(sequence.tokens) :])
        cache.keep(document, sequence)

    assert [len(cache.take(d, [1, 2, 3]).tokens) for d in ("a", "b", "c")] == [2, 0, 2]


def test_memory_is_bounded() -> None:
    cache = PrefixCache(_Counted, documents=10, most_bytes=250)

    for document in "abcd":
        cache.keep(document, _Counted())

    assert cache.size_bytes == 200


def test_a_cleared_cache_holds_nothing() -> None:
    cache = PrefixCache(_Counted)
    cache.keep("a", _Counted())

    cache.clear()

    assert cache.size_bytes == 0


def test_a_sequence_that_cannot_go_back_is_begun_anew() -> None:
    cache = PrefixCache(lambda: _Counted(rewinds=False))
    sequence = cache.take("a", [1, 2, 3])
    sequence.read([1, 2, 3])
    cache.keep("a", sequence)

    assert cache.take("a", [1, 2, 3, 4]).tokens == [1, 2, 3]
    cache.keep("a", sequence)
    assert cache.take("a", [1, 2, 9]).tokens == []


@pytest.mark.parametrize(
    ("a", "b", "length"),
    [([], [1], 0), ([1, 2], [1, 2, 3], 2), ([1, 2, 3], [1, 5, 3], 1), ([1], [1], 1)],
)
def test_common_length(a: list[int], b: list[int], length: int) -> None:
    assert common_length(a, b) == length
