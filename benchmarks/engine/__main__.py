"""Measures the engine against its peers, in turns, and writes medians and ratios.

    python -m benchmarks.engine [--model FOLDER] [--shape 0.5B] [--without llama]

`--shape 0.5B` makes a model of that size with random weights under build/. llama.cpp is built from
its package the first time.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from benchmarks.engine.contenders import CachedLoop, Contender, Generate, Ours
from benchmarks.engine.llama_cpp import LlamaCpp, write_gguf
from benchmarks.engine.prompts import Place, places
from benchmarks.machine import machine
from server.engine.config import EMBEDDED_MODEL
from server.engine.decoder import decoder_of

RESULT = Path(__file__).parents[1] / "results" / "engine.json"
BUILD = Path(__file__).resolve().parents[2] / "build"
PROMPT_TOKENS = 768
SHAPES: dict[str, dict[str, Any]] = {
    # Qwen2.5-Coder-0.5B's shape without its biases, so that llama.cpp's plain llama runs it too
    "0.5B": {
        "vocab_size": 151_936,
        "hidden_size": 896,
        "intermediate_size": 4_864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "max_position_embeddings": 2_048,
        "tie_word_embeddings": True,
    },
}
Times = dict[str, list[float]]


def main() -> None:
    """Measure, print the table, write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--model", type=Path, default=EMBEDDED_MODEL)
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--places", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--without", nargs="*", default=[], choices=["llama", "transformers"])
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    name = asked.shape or asked.model.name
    folder = asked.model if asked.shape is None else _made(asked.shape)
    contenders = _contenders(folder, asked.threads, asked.without)
    tokenizer: Any = AutoTokenizer
    encode = tokenizer.from_pretrained(EMBEDDED_MODEL).encode
    cursors = list(places(encode, PROMPT_TOKENS, asked.places))
    _check_same(contenders, cursors)
    measured = _measure(contenders, cursors)
    rows = [row for measure, times in measured.items() for row in _rows(name, measure, times)]
    for row in rows:
        print("  ".join(f"{value:<24}" for value in row.values()))
    _write(name, rows, asked.threads)


def _contenders(folder: Path, threads: int, without: list[str]) -> list[Contender]:
    loader: Any = AutoModelForCausalLM
    exact = loader.from_pretrained(folder, dtype=torch.float32).eval()
    decoder = decoder_of(exact)
    if decoder is None:
        raise SystemExit(
            f"{folder.name} is not of the Llama or Qwen family: nothing of ours runs it"
        )
    found: list[Contender] = [Ours(decoder, drafts=False), Ours(decoder, drafts=True)]
    if "transformers" not in without:
        half = loader.from_pretrained(folder, dtype=torch.bfloat16).eval()
        for model, dtype in ((exact, "float32"), (half, "bfloat16")):
            found += [Generate(model, dtype), CachedLoop(model, dtype)]
    if "llama" not in without:
        file = BUILD / f"{folder.name}.q8_0.gguf"
        write_gguf(exact, file)
        found.append(LlamaCpp(file, "llama.cpp, q8_0", threads))
    return found


def _check_same(contenders: list[Contender], cursors: list[Place]) -> None:
    """That all run one model: rounded weights choose the same token nearly everywhere."""
    chosen = {one.name: [one.next_token(place.read) for place in cursors] for one in contenders}
    ours = chosen["unsay"]
    for name, tokens in chosen.items():
        same = sum(a == b for a, b in zip(ours, tokens, strict=True))
        if same * 4 < len(ours) * 3:
            raise SystemExit(f"{name} goes on as unsay does at {same} of {len(ours)} places only")


def _measure(contenders: list[Contender], cursors: list[Place]) -> dict[str, Times]:
    """All contenders at each place, in turns; the first place warms up and does not count."""
    times: dict[str, Times] = defaultdict(lambda: defaultdict(list))
    for i, place in enumerate(cursors):
        for contender in contenders:
            prefill = contender.prefill(place.read)
            first, whole = contender.typing(place)
            if i:
                times[f"prefill {PROMPT_TOKENS}"][contender.name].append(prefill)
                times["typing, first token"][contender.name].append(first)
                times["typing + 32"][contender.name].append(whole)
    return times


def _rows(model: str, measure: str, times: Times) -> list[dict[str, Any]]:
    medians = {name: statistics.median(took) for name, took in times.items()}
    rows: list[dict[str, Any]] = []
    for ours in (name for name in medians if name.startswith("unsay")):
        if ours != "unsay" and measure != "typing + 32":
            continue
        rows += [
            {
                "model": model,
                "peer": peer,
                "measure": measure + ours.removeprefix("unsay"),
                "ours_ms": round(medians[ours], 2),
                "peer_ms": round(took, 2),
                "ratio": round(medians[ours] / took, 3),
            }
            for peer, took in medians.items()
            if not peer.startswith("unsay")
        ]
    return rows


def _write(model: str, rows: list[dict[str, Any]], threads: int) -> None:
    """Replace this model's rows in the result file."""
    kept: list[dict[str, Any]] = []
    if RESULT.is_file():
        kept = [row for row in json.loads(RESULT.read_text())["rows"] if row["model"] != model]
    document = {"machine": machine() | {"threads": threads}, "rows": kept + rows}
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def _made(shape: str) -> Path:
    """A model with random weights, made once."""
    folder = BUILD / f"shape-{shape}"
    if not (folder / "config.json").is_file():
        untyped: Any = torch
        untyped.manual_seed(0)
        loader: Any = AutoModelForCausalLM
        loader.from_config(LlamaConfig(**SHAPES[shape])).bfloat16().save_pretrained(folder)
        gc.collect()
    return folder


if __name__ == "__main__":
    main()
