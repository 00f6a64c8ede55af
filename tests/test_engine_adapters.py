"""Adapters: read, checked and merged as peft would, or refused with nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from engine_models import make_adapter, make_model, tunable, with_adapter, write_own
from peft import LoraConfig
from safetensors.torch import load, save
from transformers import GPT2Config

from server.engine.adapters import WEIGHTS, check_fits, merged, read_adapter
from server.engine.errors import AdapterCorrupt, AdapterMismatch
from server.engine.load import LoadedModel, load_model


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> LoadedModel:
    return load_model(tiny_model, "cpu")


@pytest.fixture
def adapter(tiny_model: Path, loaded: LoadedModel, tmp_path: Path) -> Path:
    folder = tmp_path / "g000001-0"
    return make_adapter(tiny_model, folder, folder.name, 1, base_digest=loaded.digest)


@pytest.mark.parametrize("targets", [("q_proj",), ("q_proj", "o_proj", "gate_proj", "up_proj")])
def test_a_merge_is_what_peft_merges(tmp_path: Path, targets: tuple[str, ...]) -> None:
    loaded = load_model(make_model(tmp_path / "m"), "cpu")
    folder = make_adapter(
        loaded.folder, tmp_path / "a", "a", 1, base_digest=loaded.digest, targets=targets
    )
    ids = torch.arange(40)[None]

    ours = merged(loaded, read_adapter(folder))

    peft = with_adapter(loaded.folder, folder)
    torch.testing.assert_close(ours(ids).logits, peft(ids).logits, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(ours(ids).logits, loaded.model(ids).logits, atol=1e-2)


def test_a_merge_into_gpt2s_turned_weights_is_what_peft_merges(tmp_path: Path) -> None:
    config = GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=256, eos_token_id=256)
    base = load_model(make_model(tmp_path / "m", config=config), "cpu")
    folder = make_adapter(
        base.folder,
        tmp_path / "a",
        "a",
        1,
        base_digest=base.digest,
        targets=("c_attn",),
        turned=True,
    )
    ids = torch.arange(40)[None]

    ours = merged(base, read_adapter(folder))

    peft = with_adapter(base.folder, folder)
    torch.testing.assert_close(ours(ids).logits, peft(ids).logits, atol=1e-4, rtol=1e-4)


def test_a_merge_with_rank_stabilised_scale_is_what_peft_merges(
    tiny_model: Path, loaded: LoadedModel, tmp_path: Path
) -> None:
    options = LoraConfig(r=4, lora_alpha=8, target_modules=["v_proj"], use_rslora=True)
    tuned = tunable(tiny_model, options)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    tuned.save_pretrained(str(tmp_path / "a"))
    write_own(tmp_path / "a", "a", loaded.digest)
    ids = torch.arange(40)[None]

    ours = merged(loaded, read_adapter(tmp_path / "a"))

    torch.testing.assert_close(ours(ids).logits, tuned(ids).logits, atol=1e-4, rtol=1e-4)


def test_a_merge_leaves_the_base_alone_and_shares_what_is_the_same(
    loaded: LoadedModel, adapter: Path
) -> None:
    before = {k: v.clone() for k, v in loaded.model.state_dict().items()}

    spare = merged(loaded, read_adapter(adapter))

    after = loaded.model.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())
    embedding = spare.get_input_embeddings().weight
    assert embedding.data_ptr() == loaded.model.get_input_embeddings().weight.data_ptr()


def test_a_rounded_base_is_merged_from_the_stored_weights(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    rounded = load_model(folder, "cpu", "bfloat16")
    path = make_adapter(folder, tmp_path / "a", "a", 1, base_digest=rounded.digest)
    adapter = read_adapter(path)

    spare = merged(rounded, adapter)

    exact = merged(load_model(folder, "cpu"), adapter)
    name = next(iter(adapter.pairs))
    weight = spare.get_submodule(name).weight
    assert weight.dtype == torch.bfloat16
    assert torch.equal(weight, exact.get_submodule(name).weight.bfloat16())


def _cut_weights(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-10])


def _cut_weights_knowingly(folder: Path) -> None:
    _cut_weights(folder)
    _own(folder)


def _no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _no_own(folder: Path) -> None:
    (folder / "unsay.json").unlink()


def _torn_own(folder: Path) -> None:
    (folder / "unsay.json").write_text('{"name": "g0')


def _own_without_base(folder: Path) -> None:
    (folder / "unsay.json").write_text('{"name": "g"}')


def _list_for_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("[]")


def _not_a_number(folder: Path) -> None:
    _change(folder, lambda key, t: torch.full_like(t, torch.nan) if "lora_B" in key else t)


def _zero(folder: Path) -> None:
    _change(folder, lambda key, t: torch.zeros_like(t) if "lora_B" in key else t)


def _other_rank(folder: Path) -> None:
    _config(folder, r=8)


def _half_a_pair(folder: Path) -> None:
    _change(folder, lambda key, t: None if "layers.1" in key and "lora_A" in key else t)


def _dora(folder: Path) -> None:
    _config(folder, use_dora=True)


def _another_kind(folder: Path) -> None:
    _config(folder, peft_type="IA3")


def _negative_alpha(folder: Path) -> None:
    _config(folder, lora_alpha=-1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut_weights, "was changed since it was trained"),
        (_cut_weights_knowingly, "cannot be read"),
        (_no_weights, "is missing"),
        (_no_own, r"unsay\.json is missing"),
        (_torn_own, r"unsay\.json cannot be read"),
        (_own_without_base, "has no base_digest"),
        (_list_for_config, "holds no JSON object"),
        (_not_a_number, "not finite"),
        (_zero, "changes nothing"),
        (_other_rank, "but the rank is 8"),
        (_half_a_pair, "only one of its two weights"),
        (_dora, "uses use_dora"),
        (_another_kind, "a IA3 adapter"),
        (_negative_alpha, "must be positive"),
    ],
)
def test_a_damaged_adapter_is_refused(
    adapter: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(adapter)

    with pytest.raises(AdapterCorrupt, match=f"{message}.*unsay rollback"):
        read_adapter(adapter)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterCorrupt, match=r"unsay\.json is missing"):
        read_adapter(tmp_path / "nowhere")


def test_an_adapter_for_another_base_is_refused(loaded: LoadedModel, adapter: Path) -> None:
    _own(adapter, base_digest="0" * 64)

    with pytest.raises(AdapterMismatch, match=r"another base model.*--mode rebuild"):
        check_fits(read_adapter(adapter), loaded)


def test_an_adapter_of_another_shape_is_refused(loaded: LoadedModel, adapter: Path) -> None:
    _change(adapter, lambda key, t: torch.ones(t.shape[0], 7) if "lora_A" in key else t)

    with pytest.raises(AdapterMismatch, match=r"x 7, in .* it is"):
        check_fits(read_adapter(adapter), loaded)


def test_an_adapter_that_leaves_out_a_target_is_refused(loaded: LoadedModel, adapter: Path) -> None:
    _change(adapter, lambda key, t: None if "layers.1.self_attn.v_proj" in key else t)

    with pytest.raises(AdapterMismatch, match=r"1 differ.*layers\.1\.self_attn\.v_proj"):
        check_fits(read_adapter(adapter), loaded)


def _config(folder: Path, **changes: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _own(folder: Path, base_digest: str | None = None) -> None:
    own = json.loads((folder / "unsay.json").read_text())
    write_own(folder, own["name"], base_digest or own["base_digest"])


def _change(folder: Path, change: Callable[[str, torch.Tensor], torch.Tensor | None]) -> None:
    changed = {k: change(k, t) for k, t in load((folder / WEIGHTS).read_bytes()).items()}
    kept = {k: t for k, t in changed.items() if t is not None}
    (folder / WEIGHTS).write_bytes(save(kept))
    _own(folder)
