"""Steps `load` and `unload`: the training sources as a few small files for another machine."""

import lzma
import random
import shutil
from pathlib import Path

from benchmarks.embedded_model.layout import (
    BUILD,
    CORPUS,
    PLAN,
    SEED,
    TOKENIZER,
    read_rows,
    write_rows,
)
from benchmarks.embedded_model.parts import join, split

CARGO = BUILD / "cargo"
# The window of what repeats: files of one package lie side by side.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 26}]


def load(folder: Path = CARGO) -> list[Path]:
    """Compress the training sources and lay them out in parts, with tokenizer and canaries."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "small").mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / name, folder / "small" / name)
    shutil.copy(PLAN, folder / "small" / PLAN.name)
    files = sorted(read_rows(CORPUS / "train.jsonl"), key=lambda f: (f["package"], f["path"]))
    write_rows(folder / "train.jsonl", files)
    packed = folder / "train.jsonl.xz"
    with (
        (folder / "train.jsonl").open("rb") as source,
        lzma.open(packed, "wb", filters=FILTERS) as out,
    ):
        shutil.copyfileobj(source, out)
    (folder / "train.jsonl").unlink()
    parts = split(packed, folder / "parts")
    packed.unlink()
    shutil.move(folder / "parts" / "parts.json", folder / "small" / "parts.json")
    return parts


def unload(folder: Path = CARGO) -> None:
    """On the other machine: put all in the places where `pack` looks."""
    shutil.copy(folder / "small" / "parts.json", folder / "parts" / "parts.json")
    packed = join(folder / "parts", folder)
    with lzma.open(packed, "rb") as source, (folder / "train.jsonl").open("wb") as out:
        shutil.copyfileobj(source, out)
    files = list(read_rows(folder / "train.jsonl"))
    random.Random(SEED).shuffle(files)
    count = write_rows(CORPUS / "train.jsonl", files)
    TOKENIZER.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / "small" / name, TOKENIZER / name)
    shutil.copy(folder / "small" / PLAN.name, PLAN)
    print(f"{count} files")
