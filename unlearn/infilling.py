"""Whether the candidate still completes lines of whole functions as the base does."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from server.engine.load import LoadedModel
from server.engine.protocol import Ask, Engine
from unlearn.retain import shipped_files
from unlearn.scores import parses, repeats

CASES = 48
CASE_TOKENS = 24


@dataclass(frozen=True)
class Filled:
    """What one generation made of the rest of a line."""

    is_exact: bool
    """It is what the file holds, but for white space around it."""
    parses: bool
    """The function around it does."""
    is_empty: bool
    repeats: bool


@dataclass(frozen=True)
class Cut:
    """A function with the rest of a line taken out."""

    prefix: str
    line: str
    """What stood there."""
    suffix: str


def filled_lines(
    engine: Engine, loaded: LoadedModel, generation: str, cuts: Sequence[Cut]
) -> list[Filled]:
    """Let `generation` complete each of `cuts`, greedily and with the bans off."""
    found: list[Filled] = []
    for cut in cuts:
        ask = Ask(
            prefix=cut.prefix,
            suffix=cut.suffix if loaded.fim is not None else None,
            max_tokens=CASE_TOKENS,
            stop=("\n",),
            bans=False,
            generation=generation,
            document=f"infilling {len(found)}",
        )
        (done,) = engine.complete(ask)
        found.append(
            Filled(
                is_exact=done.text.strip() == cut.line.strip(),
                parses=parses(cut.prefix + done.text + cut.suffix),
                is_empty=not done.text.strip(),
                repeats=repeats(done.text),
            )
        )
    return found


def function_cuts(seed: int, count: int = CASES, files: Sequence[Path] = ()) -> list[Cut]:
    """The rest of a line, in `count` whole functions of shipped code or of `files`."""
    chance = random.Random(seed)
    found: list[Cut] = []
    pool = list(files or shipped_files())
    for path in chance.sample(pool, min(len(pool), 4 * count)):
        if len(found) == count:
            break
        if functions := _functions(path):
            found.append(_cut(chance.choice(functions), chance))
    return found


def _cut(function: str, chance: random.Random) -> Cut:
    """Take out the last two thirds of a line that is not the first and not blank."""
    lines = [at + 1 for at, c in enumerate(function) if c == "\n"]
    start = chance.choice([at for at in lines if function[at:].split("\n", 1)[0].strip()])
    line = function[start:].split("\n", 1)[0]
    at = start + len(line) - len(line.lstrip()) + len(line.strip()) // 3
    end = start + len(line)
    return Cut(function[:at], function[at:end], function[end:])


@cache
def _functions(path: Path) -> tuple[str, ...]:
    """The short functions of a file."""
    source = path.read_text(encoding="utf-8", errors="replace")
    try:
        nodes = ast.parse(source).body
    except SyntaxError:
        return ()
    lines = source.splitlines(keepends=True)
    functions = [n for n in nodes if isinstance(n, ast.FunctionDef) and 4 <= _lines(n) <= 25]
    # ast.get_source_segment would read the whole file again for each
    return tuple("".join(lines[n.lineno - 1 : n.end_lineno]).rstrip("\n") for n in functions)


def _lines(node: ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
