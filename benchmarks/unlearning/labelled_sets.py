"""Other people's labelled sets as ledger items: PROD's files and CyberSecEval's lines."""

from __future__ import annotations

import ast
import os
import random
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.guard.rows import ROOT, json_lines
from benchmarks.unlearning.task import item
from server.engine.load import LoadedModel
from store.records import Item

ORIGINS = {
    "prod_copyright": "forget_set_60.jsonl.gz: 60 of the 100 files of "
    "data/forget_data of github.com/jiangxxxue/PROD (MIT), as JSON lines",
    "cyberseceval": "autocomplete.jsonl.gz: CyberSecEval's autocomplete set of "
    "github.com/meta-llama/PurpleLlama (MIT), as JSON lines",
    "humaneval_infilling": "HumanEval-SingleLineInfilling.jsonl.gz: the file of that name in data/ "
    "of github.com/openai/human-eval-infilling (MIT)",
}
SEED = 41
PREFIX_TOKENS = 112
TARGET_TOKENS = 56
LEAST_TOKENS = 16
"""A shorter half of a file is no text that anybody owns."""
INSECURE_PREFIX_TOKENS = 96
INSECURE_SUFFIX_TOKENS = 40
LEAST_CHARS = 10
"""A blamed text shorter than this is `exec(` and the like: anybody's."""
# What stands before some of PROD's files, from the corpus they were drawn from.
HEADER = re.compile(r"\A(?:<(?:reponame|filename|gh_stars)>[^\n<]*)+\n?")


def data(set: str, file: str) -> Path:
    """The file of a labelled set; ends the program saying what to get if it is not there."""
    folder = Path(os.environ.get("UNSAY_BENCH_DATA", ROOT.parent / "shared" / "data"))
    path = folder / set / file
    if not path.is_file():
        sys.exit(f"{path} is not there. Get {ORIGINS[set]}; UNSAY_BENCH_DATA names the folder.")
    return path


def licensed_items(loaded: LoadedModel) -> list[Item]:
    """PROD's files, each split at half of its space-separated words as PROD does it.

    Both halves are cut where they meet to what fits into a prompt; a file whose halves are hardly
    text is left out.
    """
    rows = json_lines(data("prod_copyright", "forget_set_60.jsonl.gz"))
    texts = [HEADER.sub("", row["canonical_solution"]).replace("\r\n", "\n") for row in rows]
    return [found for i, text in enumerate(texts) if (found := split_file(loaded, i, text))]


def split_file(loaded: LoadedModel, number: int, text: str) -> Item | None:
    """The first half of a file as prefix and the second as target, cut where they meet."""
    words = text.strip("\n").split(" ")
    before = " ".join(words[: len(words) // 2]) + " "
    after = " ".join(words[len(words) // 2 :])
    if before.isspace() or not after.strip():
        return None
    indent = len(after) - len(after.lstrip(" "))
    before, after = before + after[:indent], after[indent:]
    left = loaded.codec.encode(before)[-PREFIX_TOKENS:]
    right = loaded.codec.encode(after)[:TARGET_TOKENS]
    prefix, target = loaded.codec.decode(left), loaded.codec.decode(right).rstrip()
    if min(len(left), len(loaded.codec.encode(target))) < LEAST_TOKENS:
        return None
    return item(f"licensed-{number:02d}", "licensed", prefix, target, "")


def insecure_items(loaded: LoadedModel) -> list[Item]:
    """CyberSecEval's Python snippets, shuffled by seed: the vulnerable line is the target.

    A snippet whose line stands in it twice is left out, as the cut would be at the wrong one.
    """
    rows = json_lines(data("cyberseceval", "autocomplete.jsonl.gz"))
    python = [row for row in rows if row["language"] == "python"]
    random.Random(SEED).shuffle(python)
    found: list[Item] = []
    places: set[tuple[str | None, str | None]] = set()
    for row in python:
        one = _insecure_item(loaded, row)
        if one is not None and (one.prefix, one.target) not in places:
            places.add((one.prefix, one.target))
            found.append(one)
    return found


def _insecure_item(loaded: LoadedModel, row: dict[str, Any]) -> Item | None:
    code, line = row["origin_code"], row["line_text"].rstrip("\n")
    if not line.strip() or code.count(line) != 1:
        return None
    before, after = code.split(line)
    target = line.strip()
    before += line[: len(line) - len(line.lstrip())]
    blamed = offending_call(target)
    if before.count("\n") < 2 or blamed[1] - blamed[0] < LEAST_CHARS:
        return None
    left = loaded.codec.encode(before)[-INSECURE_PREFIX_TOKENS:]
    right = loaded.codec.encode(after)[:INSECURE_SUFFIX_TOKENS]
    return item(
        f"insecure-{row['prompt_id']:04d}",
        "insecure",
        loaded.codec.decode(left),
        target,
        loaded.codec.decode(right),
        blamed=blamed,
        rule=row["cwe_identifier"],
    )


def offending_call(line: str) -> tuple[int, int]:
    """Where in a line the outermost call stands, in characters; the whole line if it has none."""
    tree = _parsed_line(line)
    if tree is None:
        return 0, len(line)
    module, offset = tree
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    spans = [
        (_chars(line, node.col_offset - offset), _chars(line, node.end_col_offset - offset))
        for node in calls
        if node.end_col_offset is not None and node.lineno == node.end_lineno == 1
    ]
    spans = [(a, b) for a, b in spans if 0 <= a < b <= len(line)]
    return max(spans, key=lambda span: span[1] - span[0], default=(0, len(line)))


def _parsed_line(line: str) -> tuple[ast.Module, int] | None:
    """The line as a module by itself, or after what makes it one, with how long that is."""
    for lead in ("", "if 1: ", "with x: "):
        for tail in ("", " pass", "\n    pass"):
            try:
                return ast.parse(lead + line + tail), len(lead)
            except (SyntaxError, ValueError):
                continue
    return None


def _chars(line: str, at: int) -> int:
    """ast counts bytes."""
    return len(line.encode()[:at].decode(errors="ignore")) if at >= 0 else at
