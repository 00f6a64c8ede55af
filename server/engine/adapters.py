"""LoRA adapters on disk: read, check against the model, merge into a spare copy of it.

The format is peft's. The merge is done here, W + (alpha / r) B A in float32 (LoRA: Low-Rank
Adaptation of Large Language Models, equation 3), and tested against peft's own.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from server.engine.digest import file_digest
from server.engine.errors import AdapterCorrupt, AdapterMismatch
from server.engine.load import LoadedModel, read_weights

WEIGHTS = "adapter_model.safetensors"
KEY = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
# What peft can do beyond W + B A; refused, as it would be merged wrongly.
UNSUPPORTED = (
    "use_dora",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "layers_to_transform",
    "layer_replication",
    "lora_bias",
    "target_parameters",
    "trainable_token_indices",
)
Targets = str | list[str]


@dataclass(frozen=True)
class LoraAdapter:
    """A sound adapter as it lies on disk, in float32."""

    name: str
    digest: str
    """SHA-256 of its safetensors file."""
    base_digest: str
    parent: str
    scale: float
    targets: Targets
    pairs: dict[str, tuple[Tensor, Tensor]]
    """By module: A (rank, in) and B (out, rank)."""


def read_adapter(folder: Path) -> LoraAdapter:
    """Read and check everything that can be checked without the model. Raises AdapterCorrupt."""
    own = _json(folder / "unsay.json")
    for field in ("name", "base_digest", "digest", "parent"):
        if not isinstance(own.get(field), str):
            raise _corrupt(folder, f"unsay.json has no {field}")
    path = folder / WEIGHTS
    if not path.is_file():
        raise _corrupt(folder, f"{WEIGHTS} is missing")
    if file_digest(path) != own["digest"]:
        raise _corrupt(folder, f"{WEIGHTS} was changed since it was trained")
    config = _json(folder / "adapter_config.json")
    rank, scale = _scale(folder, config)
    try:
        tensors = load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise _corrupt(folder, f"{WEIGHTS} cannot be read ({error})") from error
    pairs = _pairs(folder, tensors, rank)
    return LoraAdapter(
        name=own["name"],
        digest=own["digest"],
        base_digest=own["base_digest"],
        parent=own["parent"],
        scale=scale,
        targets=config["target_modules"],
        pairs=pairs,
    )


def check_fits(adapter: LoraAdapter, loaded: LoadedModel) -> None:
    """Raise AdapterMismatch unless the adapter was trained on this very model."""
    if adapter.base_digest != loaded.digest:
        raise AdapterMismatch(
            f"adapter {adapter.name!r} was trained on another base model (digest "
            f"{adapter.base_digest[:12]}, {loaded.name} has {loaded.digest[:12]}); serve that "
            "model, or run `unsay refresh --mode rebuild` for this one"
        )
    modules = {name: m for name, m in loaded.model.named_modules() if _is_linear(m)}
    targeted = {name for name in modules if _is_target(name, adapter.targets)}
    if targeted != set(adapter.pairs):
        odd = sorted(targeted ^ set(adapter.pairs))
        raise AdapterMismatch(
            f"adapter {adapter.name!r} does not cover its target modules in {loaded.name}: "
            f"{len(odd)} differ, the first is {odd[0]}; run `unsay refresh --mode rebuild`"
        )
    for name, (a, b) in adapter.pairs.items():
        wanted, shape = _shape(modules[name]), (b.shape[0], a.shape[1])
        if shape != wanted:
            raise AdapterMismatch(
                f"adapter {adapter.name!r} changes {name} as {shape[0]} x {shape[1]}, in "
                f"{loaded.name} it is {wanted[0]} x {wanted[1]}; run `unsay refresh --mode rebuild`"
            )


@torch.no_grad()
def merged(loaded: LoadedModel, adapter: LoraAdapter) -> Any:
    """A copy of the model with the adapter in its weights; `loaded` stays as it is.

    Only the changed weights are copied: the others are shared with the base.
    """
    check_fits(adapter, loaded)
    source = loaded.model if loaded.is_exact else read_weights(loaded.folder, torch.float32)
    pristine = dict(source.named_modules())
    spare = shared_copy(loaded.model)
    for name, (a, b) in adapter.pairs.items():
        module = spare.get_submodule(name)
        weight: Tensor = pristine[name].weight
        delta = adapter.scale * (b.to(weight.device) @ a.to(weight.device))
        total = weight.float() + (delta.T if isinstance(module, Conv1D) else delta)
        placed = total.to(device=loaded.device, dtype=loaded.dtype)
        module.weight = nn.Parameter(placed, requires_grad=False)
    return spare


def shared_copy(model: Any) -> Any:
    """A copy of the transformers module whose weights are the model's own."""
    return copy.deepcopy(model, {id(p): p for p in model.parameters()}).eval()


def _scale(folder: Path, config: dict[str, Any]) -> tuple[int, float]:
    if config.get("peft_type") != "LORA":
        raise _corrupt(folder, f"it is a {config.get('peft_type')} adapter, not a LORA one")
    used = [option for option in UNSUPPORTED if config.get(option)]
    if config.get("bias", "none") != "none":
        used.append("bias")
    if used:
        raise _corrupt(
            folder, f"its adapter_config.json uses {', '.join(used)}, which is not known"
        )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float) or alpha <= 0:
        raise _corrupt(folder, f"its rank is {rank} and its alpha {alpha}; both must be positive")
    if not isinstance(config.get("target_modules"), str | list):
        raise _corrupt(folder, "its adapter_config.json names no target_modules")
    return rank, alpha / (rank**0.5 if config.get("use_rslora") else rank)


def _pairs(folder: Path, tensors: dict[str, Tensor], rank: int) -> dict[str, tuple[Tensor, Tensor]]:
    halves: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = KEY.fullmatch(key)
        if match is None:
            raise _corrupt(folder, f"{WEIGHTS} holds {key}, which is no LoRA weight")
        if tensor.ndim != 2 or tensor.shape["AB".index(match[2])] != rank:
            raise _corrupt(folder, f"{key} is {tuple(tensor.shape)}, but the rank is {rank}")
        if not bool(tensor.isfinite().all()):
            raise _corrupt(folder, f"{key} holds numbers that are not finite")
        halves.setdefault(match[1], {})[match[2]] = tensor.float()
    for module, half in halves.items():
        if len(half) != 2:
            raise _corrupt(folder, f"{module} has only one of its two weights")
    if not any(bool(half["A"].any()) and bool(half["B"].any()) for half in halves.values()):
        raise _corrupt(folder, "it changes nothing: all its weights are zero")
    return {module: (half["A"], half["B"]) for module, half in halves.items()}


def _is_linear(module: Any) -> bool:
    return isinstance(module, nn.Linear | Conv1D)


def _is_target(name: str, targets: Targets) -> bool:
    if isinstance(targets, str):
        return re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _shape(module: Any) -> tuple[int, int]:
    first, second = module.weight.shape
    return (second, first) if isinstance(module, Conv1D) else (first, second)


def _json(path: Path) -> dict[str, Any]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _corrupt(path.parent, f"{path.name} is missing") from error
    except (OSError, ValueError) as error:
        raise _corrupt(path.parent, f"{path.name} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise _corrupt(path.parent, f"{path.name} holds no JSON object")
    return cast("dict[str, Any]", content)


def _corrupt(folder: Path, what: str) -> AdapterCorrupt:
    return AdapterCorrupt(
        f"the adapter in {folder} cannot be served: {what}. Roll back to another generation with "
        "`unsay rollback`, or run `unsay refresh` to train a new one"
    )
