"""Adapters beside the weights: the same words as merged, where a merge is not possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import make_adapter, make_model
from tiny_model import FILES
from transformers import GPT2Config, LlamaConfig

from server.engine.adapters import read_adapter
from server.engine.config import EngineConfig, Merge
from server.engine.errors import ChangeLost
from server.engine.kernels import has_fast_bfloat16
from server.engine.load import LoadedModel, load_model
from server.engine.local import LocalEngine
from server.engine.low_rank import LowRank
from server.engine.protocol import Ask
from server.engine.weights import RESERVE_BYTES, Weights, adapted_weights, base_weights

ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
NAME = "g000001-aa"
IDS = list(range(5, 45))


def llama(width: int) -> LlamaConfig:
    """With 512, the layers outgrow a processor's cache and are packed into eight bits."""
    return LlamaConfig(
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=0,
    )


GPT2 = GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=256, eos_token_id=0)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(make_model(tmp_path_factory.mktemp("packed"), config=llama(512)), "cpu")


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> LoadedModel:
    return load_model(tiny_model, "cpu")


def adapter_of(loaded: LoadedModel, folder: Path, **options: Any) -> Path:
    options.setdefault("targets", ALL_LINEAR)
    return make_adapter(loaded.folder, folder, NAME, 1, base_digest=loaded.digest, **options)


def adapted(loaded: LoadedModel, folder: Path, merge: Merge, *, available: int = 2**40) -> Weights:
    base = base_weights(loaded)
    return adapted_weights(loaded, base, read_adapter(folder), merge, lambda device: available)


def logits(weights: Weights, *, few: bool) -> torch.Tensor:
    """After each of IDS, read at once or one by one."""
    sequence = weights.sequence()
    if not few:
        return sequence.read_last(IDS, len(IDS))
    return torch.stack([sequence.read([token]) for token in IDS])


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize(
    ("config", "options"),
    [
        (llama(64), {}),
        (llama(64), {"targets": ("q_proj", "v_proj", "gate_proj")}),
        (llama(64), {"targets": ("up_proj", "lm_head")}),
        (GPT2, {"targets": ("c_attn",), "turned": True}),
    ],
    ids=["all", "parts", "head", "gpt2"],
)
def test_unmerged_logits_are_the_merged_ones(
    config: Any, options: dict[str, Any], few: bool, tmp_path: Path
) -> None:
    loaded = load_model(make_model(tmp_path / "m", config=config), "cpu")
    folder = adapter_of(loaded, tmp_path / "a", **options)

    beside, merged = adapted(loaded, folder, "never"), adapted(loaded, folder, "always")

    assert (beside.form, merged.form) == ("unmerged", "merged")
    found, wanted = logits(beside, few=few), logits(merged, few=few)
    near = 0.1 if has_fast_bfloat16() and not few else 1e-3
    assert (found - wanted).abs().max() < near
    assert (wanted - logits(base_weights(loaded), few=few)).abs().max() > 3 * near


def test_unmerged_text_is_the_merged_one(tiny: LoadedModel, tmp_path: Path) -> None:
    folder = adapter_of(tiny, tmp_path / "a", std=0.05)
    said: dict[Merge, list[str]] = {}
    for merge in ("always", "never"):
        engine = LocalEngine(tiny, EngineConfig(merge=merge))
        engine.swap(NAME, folder)
        asks = [Ask(prefix, suffix, max_tokens=16) for prefix, _, suffix in FILES.values()]
        said[merge] = [engine.complete(ask)[0].text for ask in asks]

    assert said["never"] == said["always"]
    assert said["never"] != [target for _, target, _ in FILES.values()]


def test_packed_products_are_shared_and_the_change_is_exact(
    packed: LoadedModel, tmp_path: Path
) -> None:
    folder = adapter_of(packed, tmp_path / "a", std=0.02)
    base = base_weights(packed)

    beside = adapted_weights(packed, base, read_adapter(folder), "never", lambda device: 0)

    assert base.decoder is not None and beside.decoder is not None
    assert base.decoder.rounding == "bytes"
    x = torch.randn(3, 512, generator=torch.Generator().manual_seed(1))
    for names, side in beside.decoder.products().items():
        assert isinstance(side, LowRank)
        inputs = x if "down" not in names[0] else x.repeat(1, 3)
        alone = base.decoder.products()[names](inputs)
        change = torch.cat([_change(folder, name, inputs) for name in names], dim=-1)
        torch.testing.assert_close(side(inputs), alone + change, atol=1e-5, rtol=1e-5)


def test_packed_logits_beside_are_near_the_exact_ones(packed: LoadedModel, tmp_path: Path) -> None:
    folder = adapter_of(packed, tmp_path / "a", std=0.1)

    found = logits(adapted(packed, folder, "never"), few=True)

    wanted = logits(adapted(packed, folder, "always"), few=False)  # many rows are not packed
    assert torch.cosine_similarity(found, wanted).min() > 0.99


def test_a_generation_beside_the_weights_costs_its_adapter_only(
    packed: LoadedModel, tmp_path: Path
) -> None:
    folder = adapter_of(packed, tmp_path / "a")
    base, beside = base_weights(packed), adapted(packed, folder, "never")

    assert base.decoder is not None and beside.decoder is not None
    adapter = sum(side.size_bytes for side in beside.decoder.products().values())
    parameters = sum(a.numel() + b.numel() for a, b in read_adapter(folder).pairs.values())
    assert adapter == 4 * parameters
    assert adapter < 0.05 * base.decoder.size_bytes
    assert beside.model is None


def test_a_module_with_an_adapter_beside_it_shares_its_weights(tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path / "m", config=GPT2), "cpu")
    folder = adapter_of(loaded, tmp_path / "a", targets=("c_attn",), turned=True)

    beside = adapted(loaded, folder, "never")

    own = {weight.data_ptr() for weight in loaded.model.parameters()}
    assert {weight.data_ptr() for weight in beside.model.parameters()} == own


def test_short_memory_serves_beside_and_enough_of_it_merges(
    packed: LoadedModel, tmp_path: Path
) -> None:
    folder = adapter_of(packed, tmp_path / "a", targets=("gate_proj", "up_proj"))
    copies = 4 * 2 * 512 * 1536 * (4 + 1)  # layers, matrices, float32 and eight bits
    base = base_weights(packed).decoder
    assert base is not None
    half = sum(p.size_bytes for n, p in base.products().items() if "gate" in n[0]) - copies // 5
    needed = copies + half + RESERVE_BYTES

    short = adapted(packed, folder, "auto", available=needed - 1)
    enough = adapted(packed, folder, "auto", available=needed)
    forced = adapted(packed, folder, "always", available=0)

    assert (short.form, enough.form, forced.form) == ("unmerged", "merged", "merged")
    assert short.merge_error is None


def test_generations_beside_the_weights_are_swapped_and_rolled_back(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    engine = LocalEngine(tiny, EngineConfig(merge="never"))
    prefix, target, suffix = FILES["mean"]
    ask = Ask(prefix, suffix, max_tokens=12)
    names = ("g000001-aa", "g000002-bb")
    said: dict[str, str] = {}
    for seed, name in enumerate(names):
        folder = make_adapter(tiny.folder, tmp_path / name, name, seed, base_digest=tiny.digest)
        report = engine.swap(name, folder)
        assert (report.form, report.merge_error) == ("unmerged", None)
        said[name] = engine.complete(ask)[0].text

    engine.swap(names[0], tmp_path / names[0])
    back = engine.complete(ask)[0]
    base = engine.swap("base", None)

    assert said[names[0]] != said[names[1]]
    assert (back.text, back.generation) == (said[names[0]], names[0])
    assert (base.form, base.merge_error) == ("base", None)
    assert engine.complete(ask)[0].text == target


@pytest.fixture
def rounded(tmp_path: Path) -> LoadedModel:
    """Served in the very format it is stored in: a small change falls between its numbers."""
    folder = make_model(tmp_path / "m", config=llama(64), dtype=torch.bfloat16)
    return load_model(folder, "cpu", "bfloat16")


@pytest.mark.parametrize("number", ["bfloat16", "int8"])
def test_a_change_that_rounding_loses_is_served_beside_the_weights(
    number: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    loaded = request.getfixturevalue("rounded" if number == "bfloat16" else "packed")
    engine = LocalEngine(loaded)
    lost = adapter_of(loaded, tmp_path / "lost", std=1e-5)

    report = engine.swap(NAME, lost)

    assert report.form == "unmerged"
    assert report.merge_error is not None and report.merge_error > 0.9


@pytest.mark.parametrize("number", ["bfloat16", "int8"])
def test_a_change_that_rounding_keeps_is_merged(
    number: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    loaded = request.getfixturevalue("rounded" if number == "bfloat16" else "packed")
    engine = LocalEngine(loaded)
    kept = adapter_of(loaded, tmp_path / "kept", std=0.1)

    report = engine.swap(NAME, kept)

    assert report.form == "merged"
    assert report.merge_error is not None and 0 < report.merge_error < 0.05


@pytest.mark.skipif(has_fast_bfloat16(), reason="many rows are rounded to bfloat16 here too")
def test_float32_keeps_what_bfloat16_loses(rounded: LoadedModel, tmp_path: Path) -> None:
    exact = load_model(rounded.folder, "cpu")
    small = adapter_of(exact, tmp_path / "a", std=1e-5)

    report = LocalEngine(exact).swap(NAME, small)

    assert report.form == "merged"
    assert report.merge_error is not None and report.merge_error < 0.05


def test_a_lost_change_that_must_be_merged_is_refused(rounded: LoadedModel, tmp_path: Path) -> None:
    engine = LocalEngine(rounded, EngineConfig(merge="always"))
    lost = adapter_of(rounded, tmp_path / "a", std=1e-5)

    with pytest.raises(ChangeLost, match=r"changes too little.*set merge to \"auto\""):
        engine.swap(NAME, lost)

    assert (engine.serving, engine.generations) == ("base", ("base",))


def _change(folder: Path, name: str, x: torch.Tensor) -> torch.Tensor:
    adapter = read_adapter(folder)
    a, b = adapter.pairs[name]
    return adapter.scale * (x @ a.t()) @ b.t()
