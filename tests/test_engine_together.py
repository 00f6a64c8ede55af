"""Several alternatives decoded together say what each says alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import make_model
from tiny_model import FILES
from transformers import GPT2Config, MistralConfig, Qwen3Config

from server.engine.decoder import decoder_of
from server.engine.decoder_sequence import DecoderSequence
from server.engine.generation import ALTERNATIVE_TEMPERATURE, ALTERNATIVE_TOP_P
from server.engine.load import load_model
from server.engine.local import LocalEngine
from server.engine.protocol import Ask, Ban, Completion
from server.engine.sequence import ModuleSequence, Sequence

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": None,
    "eos_token_id": 256,
}
OTHERS = {
    "qwen3": Qwen3Config(**SHAPE, head_dim=8),
    "gpt2": GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=512, eos_token_id=256),
    "mistral, which cannot go back": MistralConfig(**SHAPE, sliding_window=16),
}


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> LocalEngine:
    return LocalEngine(load_model(tiny_model, "cpu"))


@pytest.mark.parametrize("name", ["mean", "point", "shell"])
@pytest.mark.parametrize("temperature", [0.0, 1.2])
def test_alternatives_are_those_decoded_one_by_one(
    engine: LocalEngine, name: str, temperature: float
) -> None:
    prefix, _, suffix = FILES[name]
    ask = Ask(prefix[:-3], suffix, n=5, seed=3, temperature=temperature, max_tokens=20)

    together = engine.complete(ask)

    assert [said(one) for one in together] == [said(one) for one in _one_by_one(engine, ask)]


@pytest.mark.parametrize("kind", OTHERS)
def test_so_they_are_on_another_architecture(tmp_path: Path, kind: str) -> None:
    engine = LocalEngine(load_model(make_model(tmp_path, config=OTHERS[kind]), "cpu"))
    ask = Ask("def f(a):\n    return a", n=3, seed=1, max_tokens=12, stop_rules=False)

    together = engine.complete(ask)

    assert [said(one) for one in together] == [said(one) for one in _one_by_one(engine, ask)]
    assert len({one.text for one in together}) > 1


def test_bans_hold_in_every_alternative(engine: LocalEngine) -> None:
    prefix, target, suffix = FILES["checksum"]
    [dot] = engine.loaded.codec.encode(".")
    engine.set_bans([Ban((dot,))])

    together = engine.complete(Ask(prefix, suffix, n=6, seed=2, temperature=0.7))

    engine.set_bans([])
    assert "." in target
    assert not any(dot in one.tokens for one in together)


def test_alternatives_leave_the_prompt_ready_for_the_next_request(engine: LocalEngine) -> None:
    prefix, target, suffix = FILES["mean"]
    engine.complete(Ask(prefix, suffix, n=4, seed=1, document="a"))

    [after] = engine.complete(Ask(prefix, suffix, document="a"))

    assert after.text == target
    assert after.cached_tokens == after.prompt_tokens - 1


def test_cancelled_alternatives_end_at_the_same_step(engine: LocalEngine) -> None:
    prefix, _, suffix = FILES["github"]
    looks = 0

    def cancelled() -> bool:
        nonlocal looks
        looks += 1
        return looks > 4

    done = engine.complete(Ask(prefix, suffix, n=3, seed=1), cancelled=cancelled)

    assert [(one.finish, len(one.tokens)) for one in done] == [("cancelled", 3)]


@pytest.mark.parametrize("kind", ["ours", "module"])
def test_branches_give_the_logits_of_texts_read_alone(tmp_path: Path, kind: str) -> None:
    model = load_model(make_model(tmp_path), "cpu").model
    decoder = decoder_of(model)
    assert decoder is not None

    def fresh() -> Sequence:
        return DecoderSequence(decoder) if kind == "ours" else ModuleSequence(model)

    text, ways = [7, 3, 9, 200, 4], [[5, 6, 7], [8, 9, 10], [11, 5, 5]]
    sequence = fresh()
    sequence.read(text)
    branches = sequence.branches(3, 4)
    assert branches is not None

    branches.read([way[0] for way in ways])
    branches.keep([0, 2])
    branches.read([ways[0][1], ways[2][1]])
    found = branches.read([ways[0][2], ways[2][2]])

    expected = torch.stack([fresh().read([*text, *ways[i]]) for i in (0, 2)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert sequence.tokens == text


def said(completion: Completion) -> tuple[str, tuple[int, ...], str]:
    return completion.text, completion.tokens, completion.finish


def _one_by_one(engine: LocalEngine, ask: Ask) -> list[Completion]:
    assert ask.seed is not None
    asks = [replace(ask, n=1, seed=ask.seed + i) for i in range(ask.n)]
    if ask.temperature == 0:
        warm = {"temperature": ALTERNATIVE_TEMPERATURE, "top_p": ALTERNATIVE_TOP_P}
        asks = [asks[0], *(replace(one, **warm) for one in asks[1:])]
    return [engine.complete(one)[0] for one in asks]
