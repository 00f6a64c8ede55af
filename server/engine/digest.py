"""The digest of a model's files: what an adapter must have been trained on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, cast

PARTS = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "unsay.json",
)


def model_digest(folder: Path, cache: Path | None = None) -> str:
    """SHA-256 over weights, configuration and tokenizer files, by name and content.

    `cache` remembers each file's digest by path, size and time of change.
    """
    known = _read(cache)
    fresh: dict[str, list[Any]] = {}
    total = hashlib.sha256()
    for path in sorted({path for part in PARTS for path in folder.glob(part)}):
        status = path.stat()
        mark = [status.st_size, status.st_mtime_ns]
        row = known.get(str(path.resolve()))
        digest = row[2] if row is not None and row[:2] == mark else file_digest(path)
        fresh[str(path.resolve())] = [*mark, digest]
        total.update(f"{path.name}\0{digest}\n".encode())
    if cache is not None and not fresh.items() <= known.items():
        _write(cache, {**known, **fresh})
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(cache: Path | None) -> dict[str, list[Any]]:
    if cache is None or not cache.is_file():
        return {}
    try:
        rows: Any = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # only a memory of work done: it is written anew
    return cast("dict[str, list[Any]]", rows) if isinstance(rows, dict) else {}


def _write(cache: Path, rows: dict[str, list[Any]]) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_name(f".{cache.name}.partial")
    partial.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    partial.replace(cache)
