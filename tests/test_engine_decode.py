"""Decoding: exact, seeded, streamed, cancelled in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import make_model
from tiny_model import FILES
from transformers import GPT2Config, MistralConfig

from server.engine.config import EngineConfig
from server.engine.errors import AskInvalid, EngineClosed, NoFim
from server.engine.load import LoadedModel, load_model
from server.engine.local import LocalEngine, open_engine
from server.engine.prompt import prompt_ids
from server.engine.protocol import Ask

NAMES = list(FILES)


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> LocalEngine:
    return open_engine(EngineConfig(model=str(tiny_model), device="cpu", threads=1))


@pytest.mark.parametrize("name", NAMES)
def test_greedy_decoding_is_what_generate_gives(engine: LocalEngine, name: str) -> None:
    prefix, target, suffix = FILES[name]

    [completion] = engine.complete(Ask(prefix, suffix, stop_rules=False, heals=False))

    assert completion.text == _generated(engine.loaded, prefix, suffix, 48) == target
    assert completion.finish == "stop"
    assert completion.generation == "base"


@pytest.mark.parametrize("name", NAMES)
def test_plain_continuation_is_what_generate_gives(engine: LocalEngine, name: str) -> None:
    prefix, target, suffix = FILES[name]
    text = prefix + target + suffix
    before = text[: len(text) // 2]

    [completion] = engine.complete(Ask(before, max_tokens=20, stop_rules=False, heals=False))

    assert completion.text == _generated(engine.loaded, before, None, 20)


def test_an_architecture_that_cannot_go_back_decodes_the_same(tmp_path: Path) -> None:
    config = MistralConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        sliding_window=16,
        bos_token_id=None,
        eos_token_id=256,
    )
    loaded = load_model(make_model(tmp_path, config=config), "cpu")
    engine = LocalEngine(loaded)
    text = "def f(a, b, c):\n    return a"

    for end in (20, 24, 28, 24):
        [completion] = engine.complete(Ask(text[:end], max_tokens=24, stop_rules=False))
        assert completion.text == _generated(loaded, text[:end], None, 24)


def test_an_architecture_of_another_kind_decodes_the_same(tmp_path: Path) -> None:
    config = GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=256, eos_token_id=256)
    loaded = load_model(make_model(tmp_path, config=config), "cpu")

    completions = [
        LocalEngine(loaded).complete(Ask("x = 1", max_tokens=24, stop_rules=False))[0]
        for _ in range(2)
    ]

    assert {c.text for c in completions} == {_generated(loaded, "x = 1", None, 24)}


def test_rules_keep_what_the_model_knows(engine: LocalEngine) -> None:
    for prefix, target, suffix in FILES.values():
        [completion] = engine.complete(Ask(prefix, suffix))

        assert completion.text == target


def test_a_stop_string_ends_a_completion(engine: LocalEngine) -> None:
    prefix, _, suffix = FILES["checksum"]

    [completion] = engine.complete(Ask(prefix, suffix, stop=("(data",)))

    assert (completion.text, completion.finish) == ("hashlib.md5", "stop")


def test_max_tokens_ends_a_completion(engine: LocalEngine) -> None:
    prefix, target, suffix = FILES["github"]

    [completion] = engine.complete(Ask(prefix, suffix, max_tokens=3))

    assert completion.finish == "length"
    assert len(completion.tokens) == 3
    assert target.startswith(completion.text)


def test_the_same_seed_gives_the_same_samples(engine: LocalEngine) -> None:
    prefix, _, suffix = FILES["mean"]
    ask = Ask(prefix, suffix, n=3, temperature=1.5, top_p=0.95, seed=5, max_tokens=12)

    first, again = engine.complete(ask), engine.complete(ask)

    assert [c.text for c in first] == [c.text for c in again]
    assert [c.text for c in engine.complete(replace(ask, seed=6))] != [c.text for c in first]


def test_the_first_alternative_is_greedy_and_the_others_are_not(engine: LocalEngine) -> None:
    prefix = FILES["mean"][0]
    ask = Ask(prefix[:20], "", n=6, seed=1, max_tokens=16)

    completions = engine.complete(ask)

    assert len(completions) == 6
    assert completions[0].text == engine.complete(replace(ask, n=1))[0].text
    assert len({c.text for c in completions}) > 1


def test_a_tiny_top_p_is_greedy(engine: LocalEngine) -> None:
    for prefix, target, suffix in FILES.values():
        ask = Ask(prefix, suffix, temperature=2.0, top_p=1e-6, seed=0)

        assert engine.complete(ask)[0].text == target


def test_streamed_pieces_add_up_to_the_text(engine: LocalEngine) -> None:
    pieces: list[tuple[int, str]] = []

    def show(i: int, text: str) -> None:
        pieces.append((i, text))

    for prefix, _, suffix in FILES.values():
        pieces.clear()
        completions = engine.complete(Ask(prefix, suffix, n=2, seed=3), on_text=show)

        for i, completion in enumerate(completions):
            assert "".join(text for at, text in pieces if at == i) == completion.text


def test_a_cancelled_completion_ends_within_one_step(engine: LocalEngine) -> None:
    prefix, _, suffix = FILES["github"]
    steps = 0

    def cancelled() -> bool:
        nonlocal steps
        steps += 1
        return steps > 4

    [completion] = engine.complete(Ask(prefix, suffix, n=3), cancelled=cancelled)

    assert completion.finish == "cancelled"
    # One look before the prompt was read, then one before each token.
    assert len(completion.tokens) == 3


def test_a_prompt_is_read_in_chunks_and_a_cancelled_one_is_kept(tmp_path: Path) -> None:
    engine = LocalEngine(load_model(make_model(tmp_path, own={"context_tokens": 512}), "cpu"))
    looks = 0

    def cancelled() -> bool:
        nonlocal looks
        looks += 1
        return looks > 1

    ask = Ask("x = 1\n" * 60, max_tokens=4, document="a")
    [stopped] = engine.complete(ask, cancelled=cancelled)
    [finished] = engine.complete(ask)

    assert (stopped.finish, stopped.text, stopped.tokens) == ("cancelled", "", ())
    assert finished.cached_tokens == 256


def test_a_waiting_request_that_is_cancelled_returns_at_once(engine: LocalEngine) -> None:
    running, release = threading.Event(), threading.Event()

    def hold() -> bool:
        running.set()
        return not release.wait(10) or True

    thread = threading.Thread(
        target=engine.complete, args=(Ask("a", "b"),), kwargs={"cancelled": hold}
    )
    thread.start()
    running.wait(10)

    started = time.perf_counter()
    [completion] = engine.complete(Ask("a", "b"), cancelled=lambda: True)
    waited_s = time.perf_counter() - started
    release.set()
    thread.join(10)

    assert completion.finish == "cancelled"
    assert waited_s < 1


def test_other_words_at_the_blamed_place(engine: LocalEngine) -> None:
    prefix, target, suffix = FILES["shell"]
    ask = Ask(prefix, suffix)
    [completion] = engine.complete(ask)

    other = engine.complete_differently(ask, completion, target.index("shell=True"))

    assert other is not None
    kept = target[: target.index("shell=True") - 1]
    assert other.text.startswith(kept)
    assert not other.text[len(kept) :].lstrip().startswith("s")
    assert other.tokens[: len(completion.tokens) - 5] == completion.tokens[:-5]


def test_there_are_no_other_words_behind_the_end(engine: LocalEngine) -> None:
    prefix, target, suffix = FILES["mean"]
    ask = Ask(prefix, suffix)
    [completion] = engine.complete(ask)

    assert engine.complete_differently(ask, completion, len(target)) is None


def test_other_words_that_are_cancelled_are_none(engine: LocalEngine) -> None:
    prefix, _, suffix = FILES["mean"]
    ask = Ask(prefix, suffix)
    [completion] = engine.complete(ask)

    assert engine.complete_differently(ask, completion, 3, cancelled=lambda: True) is None


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (Ask("a", max_tokens=0), "max_tokens is 0; give 1 or more"),
        (Ask("a", n=0), "n is 0; give 1 or more"),
        (Ask("a", temperature=-1), "temperature is -1; give 0 or more"),
        (Ask("a", temperature=float("nan")), "temperature is nan"),
        (Ask("a", top_p=0), "top_p is 0; give more than 0"),
        (Ask("a", top_p=1.1), "top_p is 1.1"),
    ],
)
def test_senseless_numbers_are_refused(engine: LocalEngine, ask: Ask, message: str) -> None:
    with pytest.raises(AskInvalid, match=message):
        engine.complete(ask)


def test_a_model_without_markers_completes_but_does_not_fill_in(tmp_path: Path) -> None:
    engine = LocalEngine(load_model(make_model(tmp_path), "cpu"))

    with pytest.raises(NoFim):
        engine.complete(Ask("a", ""))

    assert engine.complete(Ask("", max_tokens=4))[0].tokens


def test_a_closed_engine_refuses(tiny_model: Path) -> None:
    engine = LocalEngine(load_model(tiny_model, "cpu"))
    engine.close()

    with pytest.raises(EngineClosed):
        engine.complete(Ask("a"))


def _generated(loaded: LoadedModel, prefix: str, suffix: str | None, max_tokens: int) -> str:
    ids = torch.tensor([prompt_ids(loaded, prefix, suffix, max_tokens)])
    generate: Callable[..., Any] = loaded.model.generate
    out = generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_tokens,
        do_sample=False,
        pad_token_id=loaded.end,
        eos_token_id=sorted(loaded.stops),
    )
    new = [i for i in out[0, ids.shape[1] :].tolist() if i not in loaded.stops]
    return loaded.codec.decode(new)
