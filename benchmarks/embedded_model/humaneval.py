"""HumanEval's single-line infilling tasks as holes, to be compared and not executed."""

import gzip
import json
import os
import random
import sys
from pathlib import Path

from benchmarks.embedded_model.fim import Cut
from benchmarks.embedded_model.layout import ROOT, SEED

SET = Path("humaneval_infilling", "HumanEval-SingleLineInfilling.jsonl.gz")
ORIGIN = (
    "data/HumanEval-SingleLineInfilling.jsonl.gz of github.com/openai/human-eval-infilling (MIT)"
)


def is_there() -> bool:
    """Whether the tasks have been fetched."""
    return _path().is_file()


def humaneval_cuts(count: int | None = None) -> list[Cut]:
    """The tasks, all or a seeded sample; the hole is a whole line with its indentation.

    Ends the program saying what to get if they are not there.
    """
    if not is_there():
        sys.exit(f"{_path()} is not there. Get {ORIGIN}; UNSAY_BENCH_DATA names the folder above.")
    with gzip.open(_path(), "rt", encoding="utf-8") as lines:
        tasks = [json.loads(line) for line in lines]
    cuts = [Cut(t["prompt"], t["canonical_solution"].rstrip("\n"), t["suffix"]) for t in tasks]
    cuts = [Cut(cut.prefix, cut.middle, "\n" + cut.suffix) for cut in cuts]
    return cuts if count is None else random.Random(SEED).sample(cuts, count)


def _path() -> Path:
    return Path(os.environ.get("UNSAY_BENCH_DATA", ROOT.parent / "shared" / "data")) / SET
