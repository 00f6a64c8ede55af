"""Loading: what is sound is loaded, the rest is refused with what to do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from engine_models import make_model
from safetensors.torch import load, save
from transformers import GPT2Config, Qwen2Config

from server.engine.config import EngineConfig
from server.engine.digest import model_digest
from server.engine.errors import (
    DeviceMissing,
    ModelDamaged,
    ModelNotFound,
    NotCausal,
    NotSafetensors,
)
from server.engine.load import load_model


def test_a_model_is_loaded_with_all_that_prompting_needs(tiny_model: Path) -> None:
    loaded = load_model(tiny_model, "cpu")

    assert loaded.name == tiny_model.name
    assert loaded.context_tokens == 512
    assert loaded.dtype == torch.float32
    assert loaded.end in loaded.stops
    assert len(loaded.digest) == 64
    assert not any(p.requires_grad for p in loaded.model.parameters())


@pytest.mark.parametrize(
    "config",
    [
        GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=256, bos_token_id=0, eos_token_id=0),
        Qwen2Config(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            bos_token_id=0,
            eos_token_id=0,
        ),
    ],
    ids=["gpt2", "qwen2"],
)
def test_other_architectures_are_loaded(config: object, tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path, config=config), "cpu")

    assert loaded.context_tokens == 256


def test_a_rounded_model_is_known_to_be_rounded(tmp_path: Path) -> None:
    folder = make_model(tmp_path)

    assert not load_model(folder, "cpu", "bfloat16").is_exact
    assert load_model(folder, "cpu").is_exact


def test_weights_stored_in_bfloat16_are_exact_in_float32(tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path, dtype=torch.bfloat16), "cpu")

    assert loaded.is_exact
    assert loaded.dtype == torch.float32


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"there is no folder .*nowhere.*give a folder"):
        load_model(tmp_path / "nowhere", "cpu")


def test_a_path_as_text_is_never_looked_up_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="there is no folder"):
        load_model(f"{tmp_path}/nowhere/at/all", "cpu")


def test_a_name_that_the_hub_does_not_give_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(ModelNotFound, match=r"no folder 'some/model'.*check the name and the net"):
        load_model("some/model", "cpu")


def test_a_name_that_nothing_can_have_is_named() -> None:
    with pytest.raises(ModelNotFound, match="neither a folder nor a name on the hub"):
        load_model("some--model..", "cpu")


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")

    with pytest.raises(ModelNotFound, match="give the folder"):
        load_model(tmp_path / "model.safetensors", "cpu")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"holds no config\.json"):
        load_model(tmp_path, "cpu")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    weights = folder / "model.safetensors"
    torch.save(load(weights.read_bytes()), folder / "pytorch_model.bin")
    weights.unlink()

    with pytest.raises(NotSafetensors, match="convert them"):
        load_model(folder, "cpu")


def test_a_model_that_brings_its_own_code_is_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    _edit(folder, model_type="own", auto_map={"AutoConfig": "own.Config"}, architectures=None)
    (folder / "own.py").write_text("raise SystemExit('ran foreign code')")

    with pytest.raises(NotCausal, match="own code are refused"):
        load_model(folder, "cpu")


def test_a_model_that_does_not_complete_text_is_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    _edit(folder, architectures=["LlamaForSequenceClassification"])

    with pytest.raises(NotCausal, match="does not complete text"):
        load_model(folder, "cpu")


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    (folder / "tokenizer.json").unlink()

    with pytest.raises(ModelDamaged, match="holds no tokenizer"):
        load_model(folder, "cpu")


def test_weights_cut_short_are_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    with pytest.raises(ModelDamaged, match=r"cannot be read.*fetch the model again"):
        load_model(folder, "cpu")


def test_missing_weights_are_not_made_up(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    path = folder / "model.safetensors"
    weights = load(path.read_bytes())
    weights.pop("model.layers.1.mlp.up_proj.weight")
    path.write_bytes(save(weights, {"format": "pt"}))

    with pytest.raises(ModelDamaged, match=r"1 are missing.*layers\.1\.mlp\.up_proj"):
        load_model(folder, "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_a_missing_device_is_named(tiny_model: Path) -> None:
    with pytest.raises(DeviceMissing, match="no CUDA device"):
        load_model(tiny_model, "cuda")


@pytest.mark.parametrize("options", [{"context_tokens": 10}, {"threads": 0}])
def test_senseless_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="or more"):
        EngineConfig(**options)  # pyright: ignore[reportArgumentType]


def test_the_digest_changes_with_weights_and_tokenizer(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "a")
    same = shutil.copytree(folder, tmp_path / "b")
    before = model_digest(folder)

    assert model_digest(same) == before
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        changed = shutil.copytree(folder, tmp_path / name)
        with (changed / name).open("ab") as file:
            file.write(b" ")
        assert model_digest(changed) != before


def test_a_remembered_digest_is_not_read_again(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "a")
    cache = tmp_path / "cache" / "digests.json"
    before = model_digest(folder, cache)
    weights = folder / "model.safetensors"
    status = weights.stat()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)

    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert model_digest(folder, cache) == before
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert model_digest(folder, cache) != before


def test_a_damaged_memory_of_digests_is_written_anew(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "a")
    cache = tmp_path / "digests.json"
    cache.write_text("{")

    assert model_digest(folder, cache) == model_digest(folder)
    assert len(json.loads(cache.read_text())) == 4


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
