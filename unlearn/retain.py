"""What must stay as it is: accepted suggestions, and code of Python and of what Unsay stands on."""

from __future__ import annotations

import random
import sysconfig
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from server.engine.load import LoadedModel
from unlearn.prompts import prompt_tokens, text_tokens

SEQUENCE_TOKENS = 128
WINDOW_CHARS = 600
LONGEST_FILE_BYTES = 60_000
NOT_CODE_PEOPLE_WRITE = {"test", "idlelib", "lib2to3", "site-packages", "dist-packages"}
STOOD_ON = (
    "aiohttp",
    "bandit",
    "detect_secrets",
    "peft",
    "pygls",
    "sqlite_utils",
    "torch",
    "transformers",
)
"""Packages that are there wherever Unsay is: other people's code, where the standard library alone
is of one kind."""
FILES_OF_EACH = 120


@dataclass(frozen=True)
class RetainSet:
    """Token sequences, in the served form and left to right; the halves share no source file and
    no accepted suggestion, not even with the other half of another turn."""

    train: list[Tensor]
    """Held to the base in training."""
    held_out: list[Tensor]
    """Never trained on: for the gate's utility rows."""


def retain_set(
    loaded: LoadedModel,
    accepted: Sequence[str],
    size: int,
    seed: int,
    files: Sequence[Path] = (),
    *,
    held_out: int | None = None,
    turn: str = "",
) -> RetainSet:
    """`size` sequences for training, and as many or `held_out` for the gate, in random order.

    Up to half of either are accepted suggestions, the rest windows of `files`, or of the running
    Python's standard library. Another `turn` gives other ones from the same halves.
    """
    pool = list(files or shipped_files())
    random.Random(seed).shuffle(pool)
    half = len(pool) // 2
    chance = random.Random(f"{seed} {turn}")
    texts = _joined([text for text in accepted if not _is_held_out(text)], chance)
    train = _sequences(loaded, texts[: size // 2], pool[:half], size, chance)
    kept = size if held_out is None else held_out
    texts = _joined([text for text in accepted if _is_held_out(text)], chance)
    others = _sequences(loaded, texts[: kept // 2], pool[half:], kept, chance)
    chance.shuffle(others)
    return RetainSet(train, others)


@cache
def shipped_files() -> tuple[Path, ...]:
    """Readable source files of the running Python's standard library and of STOOD_ON, in one
    fixed order."""
    root, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    folders = [root, *(path for path in sorted(root.iterdir()) if _is_package(path))]
    found = [path for folder in folders for path in _readable(folder.glob("*.py"))]
    for name in STOOD_ON:
        files = _readable((packages / name).rglob("*.py"))
        found += files[:: max(1, len(files) // FILES_OF_EACH)][:FILES_OF_EACH]
    return tuple(found)


def _readable(files: Iterable[Path]) -> list[Path]:
    return [path for path in sorted(files) if 1000 < path.stat().st_size < LONGEST_FILE_BYTES]


def _is_package(path: Path) -> bool:
    return path.name not in NOT_CODE_PEOPLE_WRITE and (path / "__init__.py").is_file()


def _sequences(
    loaded: LoadedModel,
    texts: Sequence[str],
    files: Sequence[Path],
    size: int,
    chance: random.Random,
) -> list[Tensor]:
    found = [text_tokens(loaded, text)[0][:SEQUENCE_TOKENS] for text in texts]
    while len(found) < size and files:
        window = _window(chance.choice(files), chance)
        cut = chance.randrange(len(window) // 3, len(window))
        end = min(len(window), window.find("\n", cut) % (len(window) + 1))
        middle, _ = text_tokens(loaded, window[cut:end])
        is_long = len(middle) > SEQUENCE_TOKENS // 2  # would leave no room for its prompt
        if loaded.fim is None or len(found) % 2 or is_long:
            ids, _ = text_tokens(loaded, window)
        else:
            room = SEQUENCE_TOKENS - len(middle)
            ids = [*prompt_tokens(loaded, window[:cut], window[end:], "fim", room), *middle]
        found.append(ids[:SEQUENCE_TOKENS])
    return [torch.tensor(ids) for ids in found if len(ids) > 1]


def _window(path: Path, chance: random.Random) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    start = chance.randrange(max(1, len(text) - WINDOW_CHARS))
    start = text.find("\n", start) + 1  # at a line's beginning; 0 where there is none
    return text[start : start + WINDOW_CHARS] or text[:WINDOW_CHARS]


def _is_held_out(accepted: str) -> bool:
    """In which half a suggestion is, whichever others there are."""
    return zlib.crc32(accepted.encode()) % 2 == 1


def _joined(accepted: Sequence[str], chance: random.Random) -> list[str]:
    """Accepted suggestions, joined until they are worth a sequence of their own."""
    texts, joined = list[str](), ""
    for text in chance.sample(list(accepted), len(accepted)):
        joined += text + "\n"
        if len(joined) >= WINDOW_CHARS // 2:
            texts.append(joined)
            joined = ""
    return [*texts, joined] if joined else texts
