"""Makes generations that nobody trained: adapters in peft's format with random weights.

They load, swap and answer like any other, each with words of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from server.engine.digest import file_digest, model_digest
from store import adapters
from store.database import Database
from store.home import Home
from store.records import Adapter, AdapterState
from store.stamp import now

RANK = 4
TARGETS = ("q_proj", "v_proj", "down_proj")


def make_generation(
    db: Database,
    home: Home,
    model: Path,
    seed: int,
    *,
    strength: float = 3.0,
    state: AdapterState = "passed",
    base_digest: str | None = None,
) -> str:
    """Put a generation into `home` and return its name; at strength 3 it says other things."""
    partial = home.adapters / f".{seed}.partial"
    partial.mkdir(parents=True)
    weights = partial / "adapter_model.safetensors"
    weights.write_bytes(safetensors.torch.save(_random_weights(model, seed, strength)))
    digest = file_digest(weights)
    base_digest = base_digest or model_digest(model)
    name = f"g{adapters.next_number(db):06d}-{digest[:8]}"
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": list(TARGETS)}
    own = {"name": name, "base_digest": base_digest, "digest": digest, "parent": "base"}
    (partial / "adapter_config.json").write_text(json.dumps(config))
    (partial / "unsay.json").write_text(json.dumps(own))
    partial.rename(home.adapters / name)
    adapters.add(
        db,
        Adapter(
            name=name,
            created_at=now(),
            parent="base",
            digest=digest,
            base_digest=base_digest,
            method="prod",
            mode="incremental",
            state=state,
            run=None,
            metrics={"made": "at random"},
        ),
    )
    return name


def _random_weights(model: Path, seed: int, strength: float) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}
    shards = sorted(model.glob("*.safetensors"))
    named = (pair for file in shards for pair in safetensors.torch.load(file.read_bytes()).items())
    for key, weight in named:
        module = key.removesuffix(".weight")
        if module.rsplit(".", 1)[-1] in TARGETS:
            out, into = weight.shape
            a = torch.randn(RANK, into, generator=chance) / into**0.5
            b = torch.randn(out, RANK, generator=chance) * strength * float(weight.float().std())
            made[f"base_model.model.{module}.lora_A.weight"] = a
            made[f"base_model.model.{module}.lora_B.weight"] = b * into**0.5
    return made
