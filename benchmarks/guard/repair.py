"""How often a flagged suggestion of the embedded model becomes one that may be shown.

    python -m benchmarks.guard.repair [--show 50] [--read] [--rest]

Of the completions in `benchmarks.guard.embedded`, the guard flags some; each of these is reviewed
as the server does it, with the engine's own other ways on. A repaired text counts when it is
*clean* (checked again, nothing is left to mark), *useful* (it still says something: four letters or
digits with the word that the cursor cut, unless the model itself said fewer: `int_)` for `int)`)
and *parses* (it breaks nothing that parsed before it: the file with it parses, or did not parse
with what the model said either).

A completion with nothing but hints (`random.choice` where no word speaks of secrets) counts as
flagged, and as not repaired: the guard shows it as it is. Without these the share would be higher.
`--rest` takes those that the draw of 200 left over.

`repair_verdicts.jsonl` holds what a reader said of 50 repairs, drawn by a hash, each in its place:
right where what was wrong is gone and the code does what it would have done. A verdict counts as
long as the guard makes the same text of the same completion; `--read` shows what is drawn.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchmarks.guard.embedded import CACHE, Said, said
from benchmarks.guard.rows import Row, json_lines
from server.engine.config import EngineConfig
from server.engine.local import LocalEngine, open_engine
from server.engine.protocol import Completion
from server.guard.config import GuardConfig
from server.guard.finding import Case, Review
from server.guard.fragment import closing, parses
from server.guard.guard import Guard
from server.guard.repair import is_useful

SET = "embedded model, 200 flagged"
VERDICTS = Path(__file__).with_name("repair_verdicts.jsonl")
COUNT = 200
READ = 50
SEED = 5
WORD = string.ascii_letters + string.digits + "_"


@dataclass(frozen=True)
class Repaired:
    """One flagged completion and what became of it."""

    said: Said
    review: Review
    took_ms: float
    is_clean: bool
    is_useful: bool
    parses: bool

    @property
    def is_good(self) -> bool:
        return self.is_clean and self.is_useful and self.parses

    @property
    def key(self) -> str:
        """Stands for what the model said and what became of it."""
        text = "\0".join((self.said.prefix, self.said.completion.text, self.review.text))
        return sha256(text.encode()).hexdigest()[:16]


class OtherWays:
    """What the server gives the guard: the engine's other ways on, from what it has said."""

    def __init__(self, engine: LocalEngine, said: Said) -> None:
        self._engine = engine
        self._ask = said.ask
        self._made: dict[str, Completion] = {said.completion.text: said.completion}

    def __call__(self, text: str, offset: int, deadline: float) -> str | None:
        known = self._made.get(text)
        if known is None:
            return None
        other = self._engine.complete_differently(
            self._ask, known, offset, cancelled=lambda: time.monotonic() > deadline
        )
        if other is None or other.finish == "cancelled":
            return None
        self._made[other.text] = other
        return other.text


def rows() -> list[Row]:
    """The share of good repairs, and of each property alone."""
    found = repaired()
    measures = {
        "flagged": len(found),
        "clean, useful and parses": _share(found, "is_good"),
        "clean": _share(found, "is_clean"),
        "useful": _share(found, "is_useful"),
        "parses": _share(found, "parses"),
        "repair ms p50": sorted(one.took_ms for one in found)[len(found) // 2],
    }
    return [
        Row(SET, "unsay", name, round(value, 3))
        for name, value in (*measures.items(), *_eye(found))
    ]


def _eye(found: list[Repaired]) -> Iterator[tuple[str, float]]:
    """What the verdicts say of the repairs, and of all that was flagged, by what they say."""
    known = {(row["id"], row["key"]): row["verdict"] for row in json_lines(VERDICTS)}
    good = [(one.said.id, one.key) for one in found if one.is_good]
    verdicts = [known[one] == "right" for one in good if one in known]
    if verdicts:
        right = sum(verdicts) / len(verdicts)
        yield "repairs read by eye", len(verdicts)
        yield "of these, right", right
        yield "clean, useful, parses and right, by eye", _share(found, "is_good") * right


def _drawn(found: list[Repaired]) -> list[Repaired]:
    """The repairs to be read: by a hash, so that a new rule changes few of them."""
    good = [one for one in found if one.is_good]
    return sorted(good, key=lambda one: sha256(one.said.id.encode()).digest())[:READ]


def repaired(*, is_rest: bool = False) -> list[Repaired]:
    """200 flagged completions, drawn with a seed, each after its review; or up to 200 others."""
    engine = open_engine(EngineConfig(device="cpu", threads=1))
    guard = Guard(GuardConfig(cache=CACHE.parent / "index", ruff_ms=5000.0, repair_ms=5000.0))
    guard.wait(600)
    try:
        every = [one for one in said() if one.completion.text.strip()]
        random.Random(SEED).shuffle(every)  # before the check: a new rule changes few of the 200
        flagged = [one for one in every if guard.check(_case(one))]
        chosen = flagged[COUNT : 2 * COUNT] if is_rest else flagged[:COUNT]
        return [_repaired(guard, engine, one) for one in chosen]
    finally:
        guard.close()
        engine.close()


def _repaired(guard: Guard, engine: LocalEngine, one: Said) -> Repaired:
    began = time.perf_counter()
    review = guard.review(_case(one), OtherWays(engine, one))
    took_ms = (time.perf_counter() - began) * 1000
    cut_word = one.prefix[len(one.prefix.rstrip(WORD)) :]
    return Repaired(
        one,
        review,
        took_ms,
        is_clean=review.action == "patched" and not guard.check(_case(one, review.text)),
        is_useful=is_useful(cut_word + review.text) or not is_useful(one.completion.text),
        parses=_parses(one, review.text) or not _parses(one, one.completion.text),
    )


def _case(one: Said, text: str | None = None) -> Case:
    text = one.completion.text if text is None else text
    return Case(one.prefix, text, one.suffix, "python")


def _parses(one: Said, text: str) -> bool:
    """Whether the file parses up to the end of the suggestion's line, its blocks closed."""
    whole = one.prefix + text + one.suffix.split("\n", 1)[0]
    return parses(whole + closing(whole))


def _share(found: list[Repaired], name: str) -> float:
    return sum(bool(getattr(one, name)) for one in found) / max(1, len(found))


def main() -> None:
    """Print the table, and with `--show` so many repairs to be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--read", action="store_true")
    parser.add_argument("--rest", action="store_true")
    options = parser.parse_args()
    found = repaired(is_rest=options.rest)
    for one in _drawn(found) if options.read else ():
        row = {"key": one.key, "id": one.said.id, "source": one.said.source}
        print(json.dumps(row | {"verdict": "", "reason": ""}))
        print(f"{one.said.prefix[-900:]}⟦{one.said.completion.text}⟧⟦{one.review.text}⟧", end="")
        print(one.said.suffix[:300])
    for one in found[: options.show]:
        findings = ", ".join(f"{each.kind} {each.rule}" for each in one.review.findings)
        print(f"--- {one.said.id} {one.said.source}: {findings}; {one.review.action}", end=" ")
        print(f"clean={one.is_clean} useful={one.is_useful} parses={one.parses}")
        print(f"    …{one.said.prefix[-160:]!r}")
        print(f"  - {one.said.completion.text!r}\n  + {one.review.text!r}")
    done = Counter((one.review.action, (one.review.reason or "").split(" (")[0]) for one in found)
    for key, count in done.most_common():
        good = sum(
            one.is_good
            for one in found
            if (one.review.action, (one.review.reason or "").split(" (")[0]) == key
        )
        print(f"{key}: {count}, good {good}")
    kinds = Counter((one.review.findings[0].kind, one.is_good) for one in found)
    print(dict(kinds))
    print(f"good: {_share(found, 'is_good'):.3f} of {len(found)}")


if __name__ == "__main__":
    main()
