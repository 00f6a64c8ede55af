"""Step `bench`: everything that the card says of a model, measured, printed and written down."""

import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from benchmarks.embedded_model import humaneval
from benchmarks.embedded_model.bench_sources import Texts
from benchmarks.embedded_model.complete import Completer
from benchmarks.embedded_model.extraction import extraction_rows
from benchmarks.embedded_model.figures import Row, table, unbeaten
from benchmarks.embedded_model.footprint import footprint_rows
from benchmarks.embedded_model.held_out import (
    LOSS,
    OURS,
    PER_CHARACTER,
    counted,
    humaneval_rows,
    line_rows,
    loss_rows,
)
from benchmarks.embedded_model.layout import MODEL, RESULTS
from benchmarks.embedded_model.lines import held_out_holes
from benchmarks.embedded_model.showcase import showcase
from benchmarks.embedded_model.speed import speed_rows
from benchmarks.machine import machine
from server.engine.load import load_model
from server.engine.local import LocalEngine

CARD = MODEL / "MODEL_CARD.md"
BEGIN, END = "<!-- written by the bench step: {} -->", "<!-- end of {} -->"


@dataclass(frozen=True)
class Effort:
    """How much of everything is measured."""

    lines: int = 400
    loss_files: int = 100
    tasks: int | None = None
    """HumanEval's; None is all of them."""
    canaries: int | None = None
    processes: int = 3
    paces: int = 25
    shown: int = 20


QUICK = Effort(lines=4, loss_files=2, tasks=2, canaries=2, processes=1, paces=2, shown=2)


@dataclass(frozen=True)
class Measured:
    """What came out."""

    rows: list[Row]
    completions: list[str]
    seconds: float


def measure(folder: Path, texts: Texts, effort: Effort) -> Measured:
    """Measure the model in `folder`; HumanEval only where it is there or all of it is asked for."""
    started = time.monotonic()
    torch.set_num_threads(max(1, torch.get_num_threads()))
    rows = footprint_rows(folder, effort.processes)
    completer = Completer(folder)
    holes = held_out_holes(texts.held_out, max(effort.lines, effort.paces))
    loaded = load_model(folder)
    rows += speed_rows(loaded, holes[: effort.paces])
    _say(started, "footprint and speed")
    rows += extraction_rows(completer, folder, effort.canaries)
    _say(started, "canaries")
    ngrams = counted(completer, texts.counted)
    _say(started, "n-grams")
    rows += loss_rows(completer, ngrams, texts.held_out[: effort.loss_files])
    rows += line_rows(completer, ngrams, holes[: effort.lines])
    _say(started, "held-out packages")
    if effort.tasks is None or humaneval.is_there():
        rows += humaneval_rows(completer, ngrams, humaneval.humaneval_cuts(effort.tasks))
        _say(started, "HumanEval")
    completions = list(showcase(LocalEngine(loaded), texts.held_out, effort.shown))
    return Measured(rows, completions, time.monotonic() - started)


def report(measured: Measured) -> str:
    """The tables as Markdown, one for each set, and what the model does not beat."""
    parts: list[str] = []
    for set, rows in groupby(measured.rows, lambda row: row.set):
        parts.append(f"**{set}**\n\n{table(list(rows))}")
    lost = unbeaten(measured.rows, OURS, lower_is_better=(LOSS, PER_CHARACTER))
    parts.append("\n".join(["Not better than what stands beside it:", "", *_listed(lost)]))
    return "\n\n".join(parts)


def keep(measured: Measured, folder: Path, texts: Texts) -> None:
    """Write benchmarks/results/model.json and, for the shipped model, the parts of its card."""
    result: dict[str, Any] = {
        "machine": machine(),
        "model": json.loads((folder / "unsay.json").read_text(encoding="utf-8")),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": torch.get_num_threads(),
        "seconds": round(measured.seconds),
        "held_out_characters": sum(len(file["text"]) for file in texts.held_out),
        "counted_characters": sum(len(file["text"]) for file in texts.counted),
        "rows": [asdict(row) | {"value": round(row.value, 4)} for row in measured.rows],
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if folder.resolve() == MODEL:
        card = CARD.read_text(encoding="utf-8")
        card = with_part(card, "figures", report(measured))
        card = with_part(card, "completions", "\n\n".join(measured.completions))
        CARD.write_text(card, encoding="utf-8")


def with_part(card: str, name: str, text: str) -> str:
    """`card` with `text` between the marks of part `name`. Raises ValueError without marks."""
    begin, end = BEGIN.format(name), END.format(name)
    before, found, rest = card.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the model card has no marks for {name!r}: {begin} and {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _listed(sentences: list[str]) -> list[str]:
    return [f"- {sentence}" for sentence in sentences] or ["- nothing"]


def _say(started: float, what: str) -> None:
    print(f"{time.monotonic() - started:4.0f} s  {what}", file=sys.stderr, flush=True)
