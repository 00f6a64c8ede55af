"""The two models that are measured: ours, and one of a usual size with random weights."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from server.engine.config import EMBEDDED_MODEL

BUILD = Path(__file__).resolve().parents[2] / "build"
Size = Literal["S", "M"]
NAMES: dict[Size, str] = {"S": EMBEDDED_MODEL.name, "M": "0.5B, random weights"}
# Qwen2.5-Coder-0.5B's shape without its biases, so that llama.cpp's plain llama runs it too
SHAPE: dict[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4_864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 2_048,
    "tie_word_embeddings": True,
}


def folder(size: Size) -> Path:
    """Where the model lies; the large one is made once, with the embedded model's tokenizer."""
    if size == "S":
        return EMBEDDED_MODEL
    made = BUILD / "shape-0.5B"
    if not (made / "tokenizer.json").is_file():
        untyped: Any = torch
        untyped.manual_seed(0)
        loader: Any = AutoModelForCausalLM
        config = LlamaConfig(**SHAPE, bos_token_id=None, eos_token_id=0, pad_token_id=4)
        loader.from_config(config).bfloat16().save_pretrained(made)
        for name in ("tokenizer.json", "tokenizer_config.json", "unsay.json"):
            shutil.copy(EMBEDDED_MODEL / name, made / name)
        gc.collect()
    return made
