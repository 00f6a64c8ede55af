"""Fill-in-the-middle examples: where to cut a text, and in which order the parts stand."""

import random
import re
from dataclasses import dataclass
from typing import Literal

from benchmarks.embedded_model.layout import END, MIDDLE, PREFIX, SUFFIX

Form = Literal["spm", "psm"]
LINE_TAIL_SHARE = 0.65
EMPTY_SUFFIX_SHARE = 0.12
LONGEST_MIDDLE_CHARS = 400
STATEMENT_LINES = 12
# A person pauses after these.
PAUSE = re.compile(r"[.(=,\[{:\"'] ?|\b(?:return|import|in|not|if|from|raise|for) ")


@dataclass(frozen=True)
class Cut:
    """A text in three parts; the suffix may be dropped."""

    prefix: str
    middle: str
    suffix: str


def cut_somewhere(text: str, rng: random.Random) -> Cut:
    """A hole as an editor would ask for it, mostly the rest of a line; or a random span."""
    if rng.random() < LINE_TAIL_SHARE:
        cut = cut_line_tail(text, rng)
    else:
        start, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        end = min(end, start + LONGEST_MIDDLE_CHARS)
        cut = Cut(text[:start], text[start:end], text[end:])
    if rng.random() < EMPTY_SUFFIX_SHARE:
        return Cut(cut.prefix, cut.middle, "")
    return cut


def cut_line_tail(text: str, rng: random.Random) -> Cut:
    """Cut somewhere in a non-empty line, as `cut_from` does."""
    lines = [m for m in re.finditer(r"[^\n]+", text) if not m.group().isspace()]
    if not lines:
        return Cut(text, "", "")
    line = rng.choice(lines)
    return cut_from(text, _cursor(line.start(), line.group(), rng), rng)


def cut_from(text: str, start: int, rng: random.Random) -> Cut:
    """Cut at `start` to the end of that line, its statement or a few lines more.

    The middle ends before a line break, so the suffix begins with it.
    """
    end = _line_end(text, start)
    if rng.random() < 0.5:
        end = _statement_end(text, start, end)
    if rng.random() < 0.2:
        for _ in range(rng.randint(1, 3)):
            end = _line_end(text, end + 1)
    end = max(start, len(text[:end].rstrip("\n")))
    return Cut(text[:start], text[start:end], text[end:])


def _cursor(line_start: int, line: str, rng: random.Random) -> int:
    code = len(line) - len(line.lstrip())
    where = rng.random()
    if where < 0.3:
        return line_start + code
    pauses = [m.end() for m in PAUSE.finditer(line, code) if m.end() < len(line)]
    if where < 0.65 and pauses:
        return line_start + rng.choice(pauses)
    return line_start + rng.randint(code, len(line) - 1)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _statement_end(text: str, start: int, end: int) -> int:
    for _ in range(STATEMENT_LINES):
        middle = text[start:end]
        if sum(map(middle.count, "([{")) <= sum(map(middle.count, ")]}")):
            break
        end = _line_end(text, end + 1)
    return end


def arrange(
    prefix: list[int], middle: list[int], suffix: list[int], form: Form, ids: dict[str, int]
) -> list[int]:
    """Token ids of one example; `spm`, suffix first, is the served form."""
    before = [ids[PREFIX], *prefix]
    after = [ids[SUFFIX], *suffix]
    prompt = after + before if form == "spm" else before + after
    return [*prompt, ids[MIDDLE], *middle, ids[END]]


def trimmed(
    prefix: list[int], middle: list[int], suffix: list[int], room: int
) -> tuple[list[int], list[int], list[int]]:
    """The parts cut down to `room` tokens: what is far from the cursor goes, the middle stays."""
    room -= len(middle)
    after = suffix[: max(room // 3, room - len(prefix))]
    before = prefix[max(0, len(prefix) - (room - len(after))) :]
    return before, middle, after
