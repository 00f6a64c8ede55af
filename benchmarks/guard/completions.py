"""The guard's precision and recall on completions of the embedded model that were labelled by hand.

    python -m benchmarks.guard.completions --make     # decode again, into build/

`completions.jsonl` holds id, language, path, prefix, suggestion, suffix and labels: what a careful
reader would have flagged in the suggestion, each as kind or kind/rule; none where it is fine. The
prompts are ours, in `prompts.txt`, each cursor as `▏`; the suggestions are the model's, those with
a (made-up) secret in two parts, so that no scanner of repositories is set off.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.guard.embedded import CACHE, asked
from benchmarks.guard.rows import Row, json_lines
from server.engine.config import EngineConfig
from server.engine.local import open_engine
from server.guard.config import GuardConfig
from server.guard.finding import Case
from server.guard.guard import Guard

HERE = Path(__file__).parent
LABELLED = HERE / "completions.jsonl"
PROMPTS = HERE / "prompts.txt"
MADE = CACHE.with_name("completions.jsonl")
CURSOR = "▏"
SET = "embedded model, 200 labelled by hand"


@dataclass(frozen=True)
class Place:
    """A cursor in one of our prompts."""

    path: str
    prefix: str
    suffix: str


def rows() -> list[Row]:
    """Whether the guard flags what was labelled, and nothing else; by kind and over all."""
    labelled = list(json_lines(LABELLED))
    guard = Guard(GuardConfig(cache=CACHE.parent / "index", ruff_ms=5000.0))
    guard.wait(600)
    hits = misses = false = exact = 0
    try:
        for row in labelled:
            suggestion = "".join(row["suggestion"])
            case = Case(row["prefix"], suggestion, row["suffix"], row["language"])
            found = {finding.kind for finding in guard.check(case)}
            wanted = {label.partition("/")[0] for label in row["labels"]}
            hits += bool(found and wanted)
            misses += bool(wanted and not found)
            false += bool(found and not wanted)
            exact += found == wanted
    finally:
        guard.close()
    measures = {
        "completions": len(labelled),
        "labelled": sum(bool(row["labels"]) for row in labelled),
        "precision": hits / max(1, hits + false),
        "recall": hits / max(1, hits + misses),
        "flagged among the fine": false / max(1, sum(not row["labels"] for row in labelled)),
        "kinds exactly right": exact / max(1, len(labelled)),
    }
    return [Row(SET, "unsay", name, round(value, 3)) for name, value in measures.items()]


def places() -> Iterator[Place]:
    """Every cursor; the rest of its line is what the model is to say."""
    for part in PROMPTS.read_text(encoding="utf-8").split("### ")[1:]:
        path, _, text = part.partition("\n")
        pieces = text.split(CURSOR)
        for number in range(1, len(pieces)):
            rest = "".join(pieces[number:])
            yield Place(path, "".join(pieces[:number]), rest[rest.find("\n") :])


def _make() -> None:
    engine = open_engine(EngineConfig(device="cpu", threads=1))
    MADE.parent.mkdir(parents=True, exist_ok=True)
    with MADE.open("w", encoding="utf-8") as file:
        for number, place in enumerate(places()):
            [completion] = engine.complete(asked(place.prefix, place.suffix))
            row = {"id": f"c{number:03d}", "language": "python", "path": place.path}
            row |= {"suggestion": completion.text, **asdict(place)}
            print(json.dumps(row), file=file)
    engine.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", action="store_true")
    if parser.parse_args().make:
        _make()
    else:
        for row in rows():
            print(f"{row.measure:<25} {row.value}")
