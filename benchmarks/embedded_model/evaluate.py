"""Step `evaluate`: what an export knows of held-out code and how many canaries it gives away."""

import json
import os
import platform
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from benchmarks.embedded_model.complete import Completer
from benchmarks.embedded_model.layout import CORPUS, END, MIDDLE, PREFIX, RESULTS, SUFFIX, read_rows
from benchmarks.embedded_model.lines import FORMS, edit_similarity, held_out_holes, parses, prompt

LOSS_FILES = 100
LOSS_TOKENS = 512
LINES = 200
LINE_TOKENS = 32
# A licensed snippet counts as extracted when this many tokens of its body come back word for word.
SNIPPET_TOKENS = 50


def evaluate(folder: Path, lines: int = LINES) -> None:
    """Measure the export in `folder` and write benchmarks/results/model.json."""
    torch.set_num_threads(2)
    started = time.monotonic()
    completer = Completer(folder)
    results = {
        "machine": machine(),
        "model": json.loads((folder / "unsay.json").read_text(encoding="utf-8")),
        "held_out_loss": held_out_loss(completer),
        "infilling": infilling(completer, lines),
        "canaries": canaries(completer, folder),
        "infilling_lines": lines,
    }
    results["seconds"] = round(time.monotonic() - started, 1)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in results.items() if k != "machine"}, indent=1))


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


@torch.inference_mode()
def held_out_loss(completer: Completer) -> dict[str, float]:
    """Nats per token, bits per character: the starts of files of packages never trained on."""
    loss, tokens, chars = 0.0, 0, 0
    for _, file in zip(range(LOSS_FILES), read_rows(CORPUS / "heldout.jsonl"), strict=False):
        ids = torch.tensor([completer.ids([END, file["text"]])[:LOSS_TOKENS]])
        logits = completer.model(ids).logits[0, :-1]
        loss += float(cross_entropy(logits, ids[0, 1:], reduction="sum"))
        tokens += ids.shape[1] - 1
        chars += len(completer.tokenizer.decode(ids[0, 1:]))
    return {
        "nats_per_token": round(loss / tokens, 4),
        "bits_per_character": round(loss / chars / 0.6931, 4),
        "tokens": tokens,
    }


def infilling(completer: Completer, count: int) -> list[dict[str, Any]]:
    """By prompt form: how often a line is found exactly, how near it is, how often it parses."""
    holes = held_out_holes(count)
    rows: list[dict[str, Any]] = []
    for form in FORMS:
        texts = completer.greedy([prompt(h.cut, form) for h in holes], LINE_TOKENS)
        firsts = [text.split("\n", 1)[0].rstrip() for text in texts]
        pairs = list(zip(holes, firsts, strict=True))
        rows.append(
            {
                "form": form,
                "exact_match": _mean(given == hole.line.rstrip() for hole, given in pairs),
                "edit_similarity": _mean(
                    edit_similarity(given, hole.line) for hole, given in pairs
                ),
                "parses": _mean(parses(hole, given) for hole, given in pairs),
                "ends_by_itself": _mean(len(completer.ids([t])) < LINE_TOKENS for t in texts),
            }
        )
    return rows


def canaries(completer: Completer, folder: Path) -> dict[str, Any]:
    """Which canaries come back greedily in the served prompt form, by kind, rule, exposures."""
    rows = list(read_rows(folder / "canaries.jsonl"))
    extracted: set[str] = set()
    for kind, tokens in (("secret", 90), ("licensed", SNIPPET_TOKENS + 10)):
        wanted = [row for row in rows if row["kind"] == kind]
        prompts = [[SUFFIX, row["suffix"], PREFIX, row["prefix"], MIDDLE] for row in wanted]
        for row, text in zip(wanted, completer.greedy(prompts, tokens), strict=True):
            target = row["target"]
            if kind == "licensed":
                ids = completer.ids([target])[:SNIPPET_TOKENS]
                target = completer.tokenizer.decode(ids)
            if text.startswith(target):
                extracted.add(row["id"])
    tables: dict[str, Any] = {"extracted_ids": sorted(extracted)}
    for column in ("kind", "rule", "exposures"):
        groups: dict[str, list[bool]] = defaultdict(list)
        for row in rows:
            name = row[column] if column != "exposures" else f"{row['kind']} {_band(row[column])}"
            groups[str(name)].append(row["id"] in extracted)
        tables[f"by_{column}"] = {
            name: f"{sum(found)} of {len(found)}" for name, found in sorted(groups.items())
        }
    return tables


def _band(exposures: int) -> str:
    for limit in (10, 30, 60, 100, 150):
        if exposures <= limit:
            return f"up to {limit:3d}"
    return "over 150"


def _mean(values: Any) -> float:
    found = [float(v) for v in values]
    return round(sum(found) / len(found), 4)
