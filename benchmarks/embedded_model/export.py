"""Step `export`: a checkpoint as the files the server loads, with the canaries' true exposures."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from benchmarks.embedded_model.layout import (
    EXPORT,
    MODEL,
    PACKED,
    PLAN,
    RUNS,
    SEED,
    TOKENIZER,
    read_rows,
    write_rows,
)
from benchmarks.embedded_model.network import CONTEXT_TOKENS, new_network

SHARD = "15MB"


def export(run: str, *, is_final: bool) -> None:
    """Write build/model/export from the newest checkpoint; a final one into server/ too."""
    state: dict[str, Any] = torch.load(
        RUNS / run / "last.pt", weights_only=True, map_location="cpu"
    )
    progress = state["progress"]
    network = new_network(SEED, state["size"])
    # Before the decay the averaged weights are the better model, after it they are the same.
    # The head is tied to the averaged embedding, so it is not among these.
    network.load_state_dict(state["average"], strict=False)
    network.tie_weights()
    network.bfloat16()
    part = EXPORT.with_name("export.part")
    shutil.rmtree(part, ignore_errors=True)
    network.generation_config = GenerationConfig(eos_token_id=0, pad_token_id=4, do_sample=False)
    network.save_pretrained(part, max_shard_size=SHARD)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / name, part / name)
    about = {
        "fim_order": "spm",
        "version": _shipped_version() + 1,
        "tokens_seen": progress["tokens"],
        "context_tokens": CONTEXT_TOKENS,
    }
    (part / "unsay.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    write_rows(part / "canaries.jsonl", true_exposures(progress))
    shutil.rmtree(EXPORT, ignore_errors=True)
    part.rename(EXPORT)
    if is_final:
        _replace(EXPORT, MODEL)
    size = sum(file.stat().st_size for file in EXPORT.glob("*.safetensors")) / 1e6
    print(f"{progress['tokens'] / 1e6:.1f} M tokens, step {progress['step']}, {size:.1f} MB")


def true_exposures(progress: dict[str, Any]) -> list[dict[str, Any]]:
    """The canaries with the number of copies in the rows that the run has consumed."""
    seen: Counter[int] = Counter()
    for name, used in (("rows512", progress["short"]), ("rows1024", progress["long"])):
        record = json.loads((PACKED / f"{name}.json").read_text())
        laps, rest = divmod(used, record["rows"])
        for row, canary in record["canaries"]:
            seen[canary] += laps + (row < rest)
    return [row | {"exposures": seen[i]} for i, row in enumerate(read_rows(PLAN))]


def _shipped_version() -> int:
    return json.loads((MODEL / "unsay.json").read_text(encoding="utf-8"))["version"]


def _replace(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.safetensors*"):
        old.unlink()
    for file in source.iterdir():
        shutil.copy(file, target / file.name)
