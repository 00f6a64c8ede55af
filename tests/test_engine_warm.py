"""Reading ahead: nothing is said, and the next request finds its prompt read."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_models import make_model
from tiny_model import FILES

from server.engine.load import load_model
from server.engine.local import LocalEngine
from server.engine.protocol import Ask


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> LocalEngine:
    return LocalEngine(load_model(tiny_model, "cpu"))


def test_what_was_warmed_need_not_be_read(engine: LocalEngine) -> None:
    prefix, target, suffix = FILES["mean"]
    ask = Ask(prefix, suffix, document="warm")

    read = engine.warm(ask)
    [found] = engine.complete(ask)

    assert read == found.prompt_tokens
    assert found.cached_tokens == found.prompt_tokens - 1
    assert found.text == target


def test_warming_again_reads_only_what_is_new(engine: LocalEngine) -> None:
    prefix, _, suffix = FILES["point"]
    engine.warm(Ask(prefix, suffix, document="again"))

    assert engine.warm(Ask(prefix, suffix, document="again")) == 1


def test_a_cancelled_warming_ends_within_one_chunk_and_keeps_what_it_read(tmp_path: Path) -> None:
    engine = LocalEngine(load_model(make_model(tmp_path, own={"context_tokens": 512}), "cpu"))
    ask, looks = Ask("x = 1\n" * 70, max_tokens=4, document="a"), 0

    def cancelled() -> bool:
        nonlocal looks
        looks += 1
        return looks > 1

    read = engine.warm(ask, cancelled=cancelled)
    [found] = engine.complete(ask)

    assert 0 < read < found.prompt_tokens
    assert found.cached_tokens == read


def test_documents_that_are_only_warmed_leave_the_one_in_use_warm(engine: LocalEngine) -> None:
    prefix, _, suffix = FILES["aws"]
    engine.complete(Ask(prefix, suffix, document="in use"))

    for number in range(8):
        engine.warm(Ask(prefix, suffix, document=f"opened {number}"))
    [found] = engine.complete(Ask(prefix, suffix, document="in use"))

    assert found.cached_tokens == found.prompt_tokens - 1
