"""What a generation was made of and with, beside its own files: enough to make it again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from server.engine.load import LoadedModel
from store.records import Item
from unlearn.config import RefreshConfig
from unlearn.infilling import CASES
from unlearn.items import INJECTED_TOKENS, forms
from unlearn.paired import ERROR, POWER
from unlearn.probes import TEMPERATURE
from unlearn.rows import LINE_ERROR
from unlearn.verdict import LEAK_LIMIT, LEAK_SAMPLES

LIBRARIES = ("torch", "transformers", "peft", "tokenizers")


def provenance(loaded: LoadedModel, items: Iterable[Item]) -> dict[str, Any]:
    """Digests of the base, the ledger's items and this code, and what it ran on."""
    ledger = "\n".join(f"{item.id} {item.fingerprint} {item.is_destroyed}" for item in items)
    return {
        "base_digest": loaded.digest,
        "ledger_digest": hashlib.sha256(ledger.encode()).hexdigest(),
        "code_digest": code_digest(),
        "precision": str(loaded.dtype).removeprefix("torch."),
        "device": loaded.device.type,
        "threads": torch.get_num_threads(),
        "world_size": _world_size(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _world_size() -> int:
    """How many processes train together."""
    distributed: Any = torch.distributed  # does not state its types
    return distributed.get_world_size() if distributed.is_initialized() else 1


def attacks(loaded: LoadedModel, config: RefreshConfig) -> dict[str, Any]:
    """What the gate tried on each item, and how much it can see."""
    return {
        "greedy": {"forms": list(forms(loaded)), "injected_tokens": [0, INJECTED_TOKENS]},
        "sampled": {
            "n": config.leak_samples,
            "temperature": TEMPERATURE,
            "secrets": config.sampled_items,
        },
        "by_chance": {"k": LEAK_SAMPLES, "temperature": TEMPERATURE, "limit": LEAK_LIMIT},
        "utility": {"error": ERROR, "power": POWER, "budget": config.utility_budget},
        "lines": {"count": CASES, "error": LINE_ERROR},
        "seed": config.seed,
    }


def code_digest() -> str:
    """SHA-256 over this package's sources, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
