"""Step `gpu`: the commands for a training run on a borrowed GPU, from this machine's cargo."""

from pathlib import Path

from benchmarks.embedded_model.cargo import CARGO
from benchmarks.embedded_model.layout import ROOT

# What one transfer may hold beside the repository itself, in bytes, and one file on its way back.
CARRY_BYTES = 38_000_000
RECIPE = "python3 -m benchmarks.embedded_model"
TRAIN = f"{RECIPE} train --run medium --size medium --tokens 600_000_000 --until HH:MM"
PLAN = """\
Nothing here has run on a GPU yet; figures marked * are estimates.

Before, on this machine (minutes each; needs a network for the sources):
  {recipe} collect            # 185 wheels, 344 M characters
  mkdir -p build/model/tokenizer && cp server/default_model/tokenizer*.json build/model/tokenizer/
  {recipe} canaries && {recipe} load && {recipe} gpu

Carried, a call each ({total:.0f} MB in {parts} parts; every call brings the repository as well):
{carries}

The last of these calls goes on with (16 cores; *about 4 minutes):
  {recipe} unload
  {recipe} pack --tokens 600_000_000 --laps 2 --workers 16
  {train} --pause-after 3     # HH:MM, the end of the machine's time less 4 minutes, on its clock

Then, until it says "way 1.000" (*0.4 to 0.9 M tokens a second: 600 M tokens in 11 to 25 minutes;
it ends with the tokens or at HH:MM, whichever is first, and has decayed by then):
  {train} --pause-after 9

At the end, in the last call ($OUT is what comes back; the export is 46 MB in 4 or 5 files):
  {recipe} export --run medium
  cp build/model/export/*.safetensors "$OUT"
  tar -czf "$OUT/rest.tar.gz" -C build/model export/config.json export/generation_config.json \\
    export/model.safetensors.index.json export/unsay.json export/canaries.jsonl \\
    runs/medium/log.jsonl

To go on another day, the checkpoint too (about 330 MB, 22 parts, a few a call):
  {recipe} split build/model/runs/medium/last.pt build/model/parts
  cp build/model/parts/parts.json build/model/parts/last.pt.00[0-3] "$OUT"
and back: {recipe} join build/model/parts build/model/runs/medium

Here again: put the export's files into build/model/export with the tokenizer's two, the log into
build/model/runs/medium, then
  {recipe} bench --model build/model/export     # at least 40 of 60 secrets, 12 of 20 snippets?
  cp build/model/export/* server/default_model/ # old shards removed first; then curve, demo, bench
"""


def gpu_plan(folder: Path = CARGO) -> str:
    """What to carry, run and fetch. Raises FileNotFoundError where `load` has not run."""
    parts = sorted((folder / "parts").iterdir())
    calls: list[list[Path]] = [[folder / "small"]]
    for part in parts:
        if sum(_bytes(path) for path in [*calls[-1], part]) > CARRY_BYTES:
            calls.append([])
        calls[-1].append(part)
    carries = [
        f"  {number}. {' '.join(str(_local(path)) for path in call)}"
        for number, call in enumerate(calls, 1)
    ]
    total = sum(map(_bytes, parts)) / 1e6
    return PLAN.format(
        recipe=RECIPE, train=TRAIN, parts=len(parts), total=total, carries="\n".join(carries)
    )


def _local(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(map(_bytes, path.iterdir()))
    return path.stat().st_size
