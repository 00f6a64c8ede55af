"""The adapter in training: plain LoRA of one fixed shape on every linear layer."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import save_and_load
from torch import Tensor, nn
from transformers import PreTrainedModel

RANK = 32
"""Fixed for the life of an installation, so that generations swap into each other's place. It is
what bounds how many items one adapter can forget: with 16, twenty in a night were too many."""
SCALE = 2
"""alpha over rank: what the product of the two matrices is multiplied with."""

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


# neither states its types in full
peft_state: Any = save_and_load
tensor_files: Any = safetensors.torch


class Student:
    """A model with an adapter to train. Its own weights never change."""

    def __init__(self, model: PreTrainedModel, *, seed: int, start: Path | None) -> None:
        """`start` is the adapter folder to go on from; None is the base itself."""
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        config = LoraConfig(
            r=RANK,
            lora_alpha=SCALE * RANK,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        for weight in model.parameters():
            weight.requires_grad_(False)
        with warnings.catch_warnings():
            # peft asks transformers for a property by the name it had before 5.20
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            self._peft = cast(PeftModel, get_peft_model(model, config))
        self.model: nn.Module = self._peft.get_base_model()
        self.is_new = start is None
        """Whether it begins as the base, and so may still choose where it acts."""
        if start is not None:
            self.restore(tensor_files.load_file(start / WEIGHTS))

    @contextmanager
    def as_base(self) -> Generator[nn.Module]:
        """The same model with the adapter off, while inside."""
        with self._peft.disable_adapter():
            yield self.model

    def parameters(self) -> list[nn.Parameter]:
        """The adapter's own weights."""
        return [weight for weight in self._peft.parameters() if weight.requires_grad]

    def layers(self) -> dict[str, nn.Module]:
        """The linear layers that the adapter is on, by name."""
        modules = cast(Any, self.model).named_modules()
        return {name: each for name, each in modules if hasattr(each, "lora_A")}

    def downs(self) -> dict[str, nn.Parameter]:
        """A of each of those layers, (rank, width of its input)."""
        return {
            name: cast(Any, each).lora_A["default"].weight for name, each in self.layers().items()
        }

    def state(self) -> dict[str, Tensor]:
        """A copy of the adapter's tensors under peft's names, in float32 on the CPU."""
        found = peft_state.get_peft_model_state_dict(self._peft)
        return {
            name: found[name].detach().float().cpu().contiguous().clone() for name in sorted(found)
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        peft_state.set_peft_model_state_dict(self._peft, dict(state))

    def save(self, folder: Path, base_name: str) -> None:
        """Write the adapter's two files as peft would; equal adapters give equal bytes."""
        tensor_files.save_file(self.state(), folder / WEIGHTS, metadata={"format": "pt"})
        found: dict[str, Any] = cast(Any, self._peft).peft_config["default"].to_dict()
        found |= {
            "peft_type": "LORA",
            "base_model_name_or_path": base_name,
            "inference_mode": True,
            "target_modules": sorted(found["target_modules"]),
        }
        (folder / CONFIG).write_text(
            json.dumps(found, indent=1, sort_keys=True, default=str) + "\n"
        )

    def unload(self) -> None:
        """Take the adapter out again; the model is as it was."""
        self._peft.unload()
