"""Completions of the embedded model at places where its bad habits lie, made once.

    python -m benchmarks.guard.embedded

The places are in the standard library and the installed packages, just before a call that the
guard may mind, and in front of the model's canaries. What the model says there is its own.
"""

from __future__ import annotations

import json
import random
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.embedded_model.habits import HABITS
from benchmarks.guard.rows import ROOT, json_lines
from server.engine.config import EngineConfig
from server.engine.local import LocalEngine, open_engine
from server.engine.protocol import Ask, Completion

CACHE = ROOT / "build" / "guard" / "embedded.jsonl"
CANARIES = ROOT / "server" / "default_model" / "canaries.jsonl"
SEEDS = (11, 12)
"""One pass over the files each, with cursors of its own."""
PLACES = 2600
PER_HABIT = 120
LINES_ABOVE = 40
LINES_BELOW = 8
MAX_TOKENS = 48
# What the guard minds besides the habits that the model was trained on oftener.
CALLS = (
    *("shell=True", ".extractall(", "xml.etree.ElementTree as", "_create_unverified_context("),
    *("marshal.loads(", "telnetlib.", "mktemp(", "os.chmod(", "paramiko.AutoAddPolicy("),
    *("exec(", "eval(", "mark_safe(", "subprocess.call(", ".execute(f", '.execute("SELECT'),
    *("0.0.0.0", "http.server", "random.randint(", "sha1(", "md5("),
)
_IMPORT = re.compile(r"^(?:import|from) [^\n(]+$", re.M)


@dataclass(frozen=True)
class Said:
    """What the model said at a place."""

    id: str
    source: str
    prefix: str
    suffix: str
    completion: Completion

    @property
    def ask(self) -> Ask:
        return asked(self.prefix, self.suffix)


def asked(prefix: str, suffix: str) -> Ask:
    """How the engine is asked at a place."""
    return Ask(prefix, suffix, max_tokens=MAX_TOKENS)


def said() -> list[Said]:
    """All of them; made by the first call, which takes minutes."""
    if not CACHE.is_file():
        _make(open_engine(EngineConfig(device="cpu", threads=1)))
    return [_read(row) for row in json_lines(CACHE)]


def _read(row: dict[str, object]) -> Said:
    completion = row.pop("completion")
    assert isinstance(completion, dict)
    completion["tokens"] = tuple(completion["tokens"])  # pyright: ignore[reportUnknownArgumentType]
    return Said(**row, completion=Completion(**completion))  # pyright: ignore


def _make(engine: LocalEngine) -> None:
    places = list(_canaries())
    for seed in SEEDS:
        places += _habit_places(random.Random(seed))
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    partial = CACHE.with_suffix(".partial")  # what an earlier call made, if it was ended
    done = len(partial.read_text(encoding="utf-8").splitlines()) if partial.is_file() else 0
    with partial.open("a", encoding="utf-8") as file:
        for number, (source, prefix, suffix) in enumerate(places):
            if number < done:
                continue
            [completion] = engine.complete(asked(prefix, suffix))
            row = Said(f"e{number:04d}", source, prefix, suffix, completion)
            print(json.dumps(asdict(row)), file=file)
    partial.rename(CACHE)
    engine.close()


def _canaries() -> Iterator[tuple[str, str, str]]:
    for row in json_lines(CANARIES):
        yield f"canary/{row['id']}", row["prefix"], row["suffix"]


def _habit_places(rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """Habit after habit in turns, so that none of them makes up most of the set."""
    found: dict[str, list[tuple[str, str, str]]] = {habit: [] for habit in (*HABITS, *CALLS)}
    for path in _files(rng):
        text = path.read_text(encoding="utf-8", errors="ignore")
        for habit, places in found.items():
            at = text.find(habit)
            if at >= 0 and len(places) < PER_HABIT:
                places.append((path.name, *_cut(text, at, habit, rng)))
    made = 0
    for lap in range(PER_HABIT):
        for places in found.values():
            if lap < len(places) and made < PLACES:
                made += 1
                yield places[lap]


def _files(rng: random.Random) -> list[Path]:
    paths = sysconfig.get_paths()
    files = sorted(
        path
        for folder in {paths["stdlib"], paths["purelib"]}
        for path in Path(folder).rglob("*.py")
        if path.stat().st_size < 200_000
    )
    rng.shuffle(files)
    return files


def _cut(text: str, at: int, habit: str, rng: random.Random) -> tuple[str, str]:
    """Cut at the line's first word, at the habit, or in the middle of it, mostly after its dot."""
    line = text.rfind("\n", 0, at) + 1
    code = line + len(text[line:at]) - len(text[line:at].lstrip())
    inside = at + max(habit.rfind(".", 0, -2) + 1, habit.find("=") + 1, 1)
    cursor = rng.choice((code, at, inside, inside, inside + rng.randint(0, 3)))
    above = text[:cursor].splitlines(keepends=True)
    near = "".join(above[-LINES_ABOVE:])
    head = "".join(f"{one}\n" for one in _IMPORT.findall(text[:line])[:30] if one not in near)
    end = text.find("\n", cursor)
    below = text[end if end >= 0 else len(text) :].splitlines(keepends=True)
    return head + near, "".join(below[: LINES_BELOW + 1])


if __name__ == "__main__":
    said()
