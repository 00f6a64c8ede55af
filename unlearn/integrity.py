"""Whether a candidate is what it says, also to a process that has nothing else in its memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from server.engine.adapters import check_fits, read_adapter
from server.engine.errors import EngineError
from server.engine.load import LoadedModel
from unlearn.lora import RANK, SCALE

FRESH = """
import hashlib, json, sys
from pathlib import Path
from safetensors.numpy import load_file

folder = Path(sys.argv[1])
own = json.loads((folder / "unsay.json").read_text())
json.loads((folder / "adapter_config.json").read_text())
weights = folder / "adapter_model.safetensors"
if hashlib.sha256(weights.read_bytes()).hexdigest() != own["digest"]:
    sys.exit("its weights are not those of its digest")
tensors = load_file(weights)
if not tensors or any(not abs(t).max() < float("inf") for t in tensors.values()):
    sys.exit("its weights are not all finite")
"""
"""Without torch, which costs seconds to import: what any other reader would see of the files."""
FRESH_SECONDS = 120


def start_fresh(folder: Path) -> subprocess.Popen[str]:
    """Begin to read the adapter in a fresh process, while other rows are measured."""
    command = [sys.executable, "-I", "-c", FRESH, str(folder.resolve())]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def end_fresh(process: subprocess.Popen[str]) -> str | None:
    """Wait for it; None if all was well, else what it complained about."""
    try:
        _, complaint = process.communicate(timeout=FRESH_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return f"no answer within {FRESH_SECONDS} s"
    if process.returncode == 0:
        return None
    return (complaint.strip().splitlines() or ["it ended without a word"])[-1]


def flaw(folder: Path, name: str, loaded: LoadedModel) -> str | None:
    """What is wrong with the adapter for this base, or None.

    Digests, finite and non-zero weights, modules and shapes are the engine's own checks; the
    configuration must be that of every other generation of an installation, and the name must be
    its own, so that another night's adapter cannot stand in its place.
    """
    try:
        adapter = read_adapter(folder)
        check_fits(adapter, loaded)
    except EngineError as error:
        return str(error)
    if adapter.name != name or not name.endswith(f"-{adapter.digest[:8]}"):
        return f"it calls itself {adapter.name} and holds {adapter.digest[:8]}, not {name}"
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    shape = config["r"], config["lora_alpha"]
    if shape != (RANK, SCALE * RANK):
        return f"its rank and alpha are {shape[0]} and {shape[1]}, not {RANK} and {SCALE * RANK}"
    return None
