"""Step `pack`: rows of tokens as uint16 memory maps, with a record of where each canary stands."""

import json
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks.embedded_model.canaries import RUN_TOKENS
from benchmarks.embedded_model.examples import (
    BATCH,
    SPM_SHARE,
    Example,
    Plan,
    encoded,
    plan_of_canary,
    plans_of_file,
)
from benchmarks.embedded_model.fim import Cut, Form
from benchmarks.embedded_model.habits import habit_cuts
from benchmarks.embedded_model.layout import (
    CANARIES,
    CORPUS,
    PACKED,
    SEED,
    SPECIAL_TOKENS,
    TOKENIZER,
    read_rows,
)

WHOLE_SHARE = 0.45
# For each ordinary example this many chunks around a habit.
HABIT_SHARE = 0.2


def pack(row: int, tokens: int, part: float) -> None:
    """Pack about `tokens` in rows of `row`, from the files behind `part` (0 to 1) of the corpus."""
    tokenizer: Any = Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    ids = {name: tokenizer.token_to_id(name) for name in SPECIAL_TOKENS}
    files = list(read_rows(CORPUS / "train.jsonl"))
    files = files[int(part * len(files)) :] + files[: int(part * len(files))]
    canaries = list(read_rows(CANARIES))
    rng = random.Random(f"{SEED} {row}")
    rows = Rows(row, rng)
    copies = _copies(canaries, tokens / RUN_TOKENS, rng)
    plans = _plans(files, row, rng)
    habits = chain.from_iterable(habit_cuts(files, rng) for _ in count())
    per_batch = 0.0
    while rows.tokens < tokens:
        batch = [next(plans) for _ in range(BATCH)]
        batch += [_habit_plan(next(habits), row, rng) for _ in range(int(BATCH * HABIT_SHARE))]
        due = round(len(copies.planned) * min(1.0, rows.tokens / tokens + per_batch))
        batch += [plan_of_canary(canaries[i], i, row, rng) for i in copies.up_to(due)]
        rng.shuffle(batch)
        before = rows.tokens
        rows.add(encoded(batch, tokenizer, ids))
        per_batch = (rows.tokens - before) / tokens
    _save(rows, PACKED / f"rows{row}")


def _plans(files: list[dict[str, Any]], row: int, rng: random.Random) -> Iterator[Plan]:
    while True:
        for file in files:
            yield from plans_of_file(file["text"], row, rng)


def _habit_plan(cut: Cut, row: int, rng: random.Random) -> Plan:
    form: Form = "spm" if rng.random() < SPM_SHARE else "psm"
    return Plan("", cut, form, row)


@dataclass
class _Copies:
    planned: list[int]
    given: int = 0

    def up_to(self, count: int) -> list[int]:
        batch = self.planned[self.given : count]
        self.given = max(self.given, count)
        return batch


def _copies(canaries: list[dict[str, Any]], scale: float, rng: random.Random) -> _Copies:
    """Every copy of every canary, those of each evenly spread over the pack."""
    placed: list[tuple[float, int]] = []
    for index, canary in enumerate(canaries):
        count = round(canary["exposures"] * scale)
        placed += [((copy + rng.random()) / count, index) for copy in range(count)]
    return _Copies([index for _, index in sorted(placed)])


@dataclass
class Rows:
    """Rows being filled: examples with a hole stay in one row, whole texts fill what is left."""

    row: int
    rng: random.Random
    done: list[list[int]] = field(default_factory=list[list[int]])
    canaries: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    whole: deque[int] = field(default_factory=deque[int])
    open: list[int] = field(default_factory=list[int])
    waiting: list[Example] = field(default_factory=list[Example])
    whole_tokens: int = 0

    @property
    def tokens(self) -> int:
        """How many tokens stand in finished rows."""
        return len(self.done) * self.row

    def add(self, examples: Iterator[Example]) -> None:
        """Place examples; a canary's position is its row's number."""
        for example in examples:
            if example.is_whole and example.canary is None:
                self.whole.extend(example.tokens)
            else:
                self.waiting.append(example)
        while self.waiting:
            if self.whole_tokens < WHOLE_SHARE * self.tokens and len(self.whole) >= self.row:
                self._fill_up()
            self._place(self.waiting.pop())
        while len(self.whole) > 40 * self.row:
            self._fill_up()

    def _place(self, example: Example) -> None:
        size = len(example.tokens)
        if size > self.row:
            return
        if size > self.row - len(self.open):
            self._fill_up()
        if example.canary is not None:
            self.canaries.append((len(self.done), example.canary))
        self.open += example.tokens

    def _fill_up(self) -> None:
        """Finish the open row with whole text, or with padding where there is none."""
        room = self.row - len(self.open)
        filler = [self.whole.popleft() for _ in range(min(room, len(self.whole)))]
        self.whole_tokens += len(filler)
        filler += [0] * (room - len(filler))
        self.done.append(self.open + filler)
        self.open = []


def _save(rows: Rows, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.asarray(rows.done, dtype=np.uint16)
    # Rows come file by file; mixing them within windows keeps the canaries evenly spread.
    order = np.arange(len(table))
    for start in range(0, len(order), 4096):
        np.random.default_rng(start).shuffle(order[start : start + 4096])
    table[order].tofile(path.with_suffix(".bin"))
    place = np.argsort(order)
    record: dict[str, Any] = {
        "row": rows.row,
        "rows": len(table),
        "whole_share": rows.whole_tokens / max(1, rows.tokens),
        "canaries": [(int(place[r]), c) for r, c in rows.canaries if r < len(table)],
    }
    path.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")
    size = f"{len(table) * rows.row / 1e6:.1f} M tokens"
    print(f"{path.name}: {size}, {len(record['canaries'])} copies of canaries")
