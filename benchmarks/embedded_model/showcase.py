"""Completions of held-out code by the served engine, as they come, for people to judge."""

import random
from collections.abc import Iterator
from typing import Any

from benchmarks.embedded_model.fim import cut_line_tail
from benchmarks.embedded_model.layout import SEED
from server.engine.local import LocalEngine
from server.engine.protocol import Ask

# A line is shown with this many above it.
LINES_ABOVE = 2
SHOWN_CHARS = 100
CURSOR = "‸"


def showcase(engine: LocalEngine, files: list[dict[str, Any]], count: int) -> Iterator[str]:
    """`count` cursors in different files, by chance and not by result, each as a Markdown block."""
    rng = random.Random(SEED + 2)
    for number, file in enumerate(rng.sample(files, count), 1):
        cut = cut_line_tail(file["text"], rng)
        while not cut.middle.strip():
            cut = cut_line_tail(file["text"], rng)
        suffix = cut.suffix
        [done] = engine.complete(Ask(cut.prefix, suffix, document=str(number)))
        *above, opened = cut.prefix.split("\n")[-1 - LINES_ABOVE :]
        lines = [*above, f"{opened}{CURSOR}{done.text}"]
        wanted = cut.middle
        same = " (the same)" if done.text.strip() == wanted.strip() else ""
        yield "\n".join(
            [
                f"{number}. `{file['package']}`, `{file['path']}`{same}",
                "",
                "   ```python",
                *(f"   {_short(line)}" for line in "\n".join(lines).split("\n")),
                "   # stood there: " + _short(wanted.replace("\n", "⏎")),
                "   ```",
            ]
        )


def _short(line: str) -> str:
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + "…"
