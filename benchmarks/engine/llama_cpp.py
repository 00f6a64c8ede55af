"""llama.cpp as a contender: built from its package into a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engine.models import BUILD
from benchmarks.engine.prompts import NEW_TOKENS, Place

FOLDER = BUILD / "llama"
PACKAGE = "llama-cpp-python==0.3.36"
BUILD_WITH = ("scikit-build-core", "cmake", "ninja", "numpy", "typing-extensions", "gguf==0.19.0")
NEEDED = ("diskcache", "jinja2")
# Reads one JSON order a line and answers with one: see LlamaCpp.
PROGRAM = """
import json, sys, time
import numpy as np
import llama_cpp as C

order = json.loads(sys.stdin.readline())
C.llama_backend_init()
silent = C.llama_log_callback(lambda *_: None)
C.llama_log_set(silent, None)
model = C.llama_model_load_from_file(order["file"].encode(), C.llama_model_default_params())
options = C.llama_context_default_params()
options.n_ctx, options.n_batch, options.n_ubatch = 2048, 2048, 512
options.n_threads = options.n_threads_batch = order["threads"]
context = C.llama_init_from_model(model, options)
memory = C.llama_get_memory(context)
words = C.llama_vocab_n_tokens(C.llama_model_get_vocab(model))

def read(ids):
    held = (C.llama_token * len(ids))(*ids)
    if C.llama_decode(context, C.llama_batch_get_one(held, len(ids))):
        raise SystemExit("llama_decode failed")
    logits = C.llama_get_logits_ith(context, -1)
    return int(np.ctypeslib.as_array(logits, shape=(words,)).argmax())

for line in sys.stdin:
    order = json.loads(line)
    C.llama_memory_seq_rm(memory, 0, 0, -1)
    if order["read"]:
        read(order["read"])
    began = time.perf_counter()
    token = read(order["typed"])
    first = time.perf_counter() - began
    said = [token]
    for _ in range(order["tokens"] - 1):
        token = read([token])
        said.append(token)
    whole = time.perf_counter() - began
    print(json.dumps({"first": first * 1000, "whole": whole * 1000, "said": said}), flush=True)
"""
WRITE = """
import sys
import numpy as np
import gguf
source, target, kind = sys.argv[1:]
held = np.load(source)
meta = {name[5:]: held[name].item() for name in held.files if name.startswith("meta.")}
writer = gguf.GGUFWriter(target, "llama")
writer.add_context_length(meta["context"])
writer.add_embedding_length(meta["width"])
writer.add_block_count(meta["layers"])
writer.add_feed_forward_length(meta["mlp"])
writer.add_head_count(meta["heads"])
writer.add_head_count_kv(meta["key_heads"])
writer.add_key_length(meta["head_width"])
writer.add_value_length(meta["head_width"])
writer.add_layer_norm_rms_eps(meta["epsilon"])
writer.add_rope_dimension_count(meta["head_width"])
writer.add_rope_freq_base(meta["theta"])
writer.add_vocab_size(meta["vocabulary"])
writer.add_tokenizer_model("no_vocab")
wanted = gguf.GGMLQuantizationType[kind]
for name in held.files:
    if name.startswith("meta."):
        continue
    weight = held[name]
    if weight.ndim == 2:
        writer.add_tensor(name, gguf.quants.quantize(weight, wanted), raw_dtype=wanted)
    else:
        writer.add_tensor(name, weight)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
"""


def python() -> Path:
    """The interpreter that has llama.cpp; the first call builds it, which takes minutes."""
    interpreter, stamp = FOLDER / "bin" / "python", FOLDER / "stamp"
    if stamp.is_file() and stamp.read_text() == PACKAGE:
        return interpreter
    print("building llama.cpp ...", file=sys.stderr)
    venv.create(FOLDER, clear=True, with_pip=True)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    path = f"{FOLDER / 'bin'}{os.pathsep}{os.environ['PATH']}"
    flags = {"CMAKE_ARGS": "-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF", "PATH": path}
    subprocess.run([*pip, *BUILD_WITH, *NEEDED], check=True)
    build = [*pip, "--no-build-isolation", "--no-deps", PACKAGE]
    subprocess.run(build, check=True, env={**os.environ, **flags})
    stamp.write_text(PACKAGE)
    return interpreter


def write_gguf(model: Any, target: Path, kind: str = "Q8_0") -> None:
    """Write a transformers Llama as a GGUF file with its matrices as `kind`."""
    source = target.with_suffix(".npz")
    np.savez(source, **_meta(model.config), **_tensors(model))  # pyright: ignore[reportArgumentType]
    subprocess.run([str(python()), "-c", WRITE, str(source), str(target), kind], check=True)
    source.unlink()


class LlamaCpp:
    """A child process that holds one file's model."""

    def __init__(self, file: Path, name: str, threads: int) -> None:
        self.name = name
        self._child = subprocess.Popen(
            [str(python()), "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._send({"file": str(file), "threads": threads})

    def prefill(self, ids: Sequence[int]) -> float:
        """See contenders.Contender."""
        return float(self._ask([], ids, 1)["first"])

    def typing(self, place: Place) -> tuple[float, float]:
        """See contenders.Contender."""
        found = self._ask(place.read, place.typed, NEW_TOKENS)
        return float(found["first"]), float(found["whole"])

    def next_token(self, ids: Sequence[int]) -> int:
        """See contenders.Contender."""
        return int(self._ask([], ids, 1)["said"][0])

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()

    def _ask(self, read: Sequence[int], typed: Sequence[int], tokens: int) -> dict[str, Any]:
        self._send({"read": list(read), "typed": list(typed), "tokens": tokens})
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("llama.cpp's child has ended: see that its build in build/ works")
        return json.loads(line)

    def _send(self, order: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()


def _meta(config: Any) -> dict[str, Any]:
    found = {
        "context": 2048,
        "width": config.hidden_size,
        "layers": config.num_hidden_layers,
        "mlp": config.intermediate_size,
        "heads": config.num_attention_heads,
        "key_heads": config.num_key_value_heads,
        "head_width": config.head_dim,
        "epsilon": config.rms_norm_eps,
        "theta": config.rope_parameters["rope_theta"],
        "vocabulary": config.vocab_size,
    }
    return {f"meta.{name}": np.array(value) for name, value in found.items()}


def _tensors(model: Any) -> dict[str, Any]:
    config, inner = model.config, model.model
    found = {
        "token_embd.weight": inner.embed_tokens.weight,
        "output_norm.weight": inner.norm.weight,
    }
    if not config.tie_word_embeddings:
        found["output.weight"] = model.lm_head.weight
    for i, layer in enumerate(inner.layers):
        attention, mlp = layer.self_attn, layer.mlp
        found |= {
            f"blk.{i}.attn_norm.weight": layer.input_layernorm.weight,
            f"blk.{i}.attn_q.weight": _turned(attention.q_proj.weight, config.num_attention_heads),
            f"blk.{i}.attn_k.weight": _turned(attention.k_proj.weight, config.num_key_value_heads),
            f"blk.{i}.attn_v.weight": attention.v_proj.weight,
            f"blk.{i}.attn_output.weight": attention.o_proj.weight,
            f"blk.{i}.ffn_norm.weight": layer.post_attention_layernorm.weight,
            f"blk.{i}.ffn_gate.weight": mlp.gate_proj.weight,
            f"blk.{i}.ffn_up.weight": mlp.up_proj.weight,
            f"blk.{i}.ffn_down.weight": mlp.down_proj.weight,
        }
    return {name: weight.detach().float().numpy() for name, weight in found.items()}


def _turned(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """llama.cpp turns neighbouring pairs, transformers the two halves of a head."""
    out, into = weight.shape
    return weight.view(heads, 2, out // heads // 2, into).transpose(1, 2).reshape(out, into)
