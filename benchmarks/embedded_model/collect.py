"""Step `collect`: download, clean and split the sources by package into train and held-out."""

import json
import random
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.embedded_model.clean import (
    Duplicates,
    line_signature,
    reason_to_drop,
    secret_patterns,
)
from benchmarks.embedded_model.layout import CORPUS, MODEL, SEED, WHEELS, write_rows
from benchmarks.embedded_model.sources import (
    Package,
    Source,
    download,
    listed_packages,
    read_stdlib,
    read_wheel,
)

HELD_OUT_SHARE = 0.05
Kept = tuple[Source, "np.ndarray[Any, Any]"]


def collect(*, offline: bool) -> None:
    """Write the corpus, split in two, and the list of packages; `offline` skips the download."""
    started = time.monotonic()
    if not offline:
        missing = download(listed_packages())
        print(f"no wheel for {', '.join(missing) or 'none missing'}")
    paths = [None, *sorted(WHEELS.glob("*.whl"))]
    dropped: Counter[str] = Counter()
    packages: list[dict[str, Any]] = []
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "heldout": []}
    seen = Duplicates()
    held_out = _held_out([p.name for p in paths if p is not None])
    with ProcessPoolExecutor(2) as pool:
        for path, (package, kept, why) in zip(paths, pool.map(_cleaned, paths), strict=True):
            dropped.update(why)
            if package is None:
                continue
            split = "heldout" if path is not None and path.name in held_out else "train"
            fresh = [
                s for s, mark in kept if not seen.is_repeat(f"{s.package}/{s.path}", s.text, mark)
            ]
            dropped["repeat"] += len(kept) - len(fresh)
            rows[split] += map(asdict, fresh)
            packages.append(_described(package, split, fresh))
    _write(rows, packages, dropped)
    print(f"{time.monotonic() - started:.0f} s")


def _held_out(wheels: list[str]) -> set[str]:
    return set(random.Random(SEED).sample(wheels, round(len(wheels) * HELD_OUT_SHARE)))


def _cleaned(path: Path | None) -> tuple[Package | None, list[Kept], Counter[str]]:
    package = read_stdlib() if path is None else read_wheel(path)
    why: Counter[str] = Counter()
    if package is None:
        why["package without a permissive licence: " + str(path and path.name)] += 1
        return None, [], why
    kept: list[Kept] = []
    secrets = secret_patterns()
    for source in package.files:
        reason = reason_to_drop(source, secrets)
        if reason is None:
            kept.append((source, line_signature(source.text)))
        else:
            why[reason] += 1
    return Package(package.name, package.version, package.licence, ()), kept, why


def _described(package: Package, split: str, files: list[Source]) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "licence": package.licence,
        "split": split,
        "files": len(files),
        "chars": sum(len(f.text) for f in files),
    }


def _write(rows: dict[str, list[dict[str, Any]]], packages: list[Any], why: Counter[str]) -> None:
    for split, files in rows.items():
        random.Random(SEED).shuffle(files)
        count = write_rows(CORPUS / f"{split}.jsonl", files)
        print(
            f"{split}: {count} files, {sum(len(f['text']) for f in files) / 1e6:.1f} M characters"
        )
    MODEL.mkdir(parents=True, exist_ok=True)
    listing = {"packages": packages, "files_dropped": dict(why.most_common())}
    (MODEL / "data.json").write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
    print(dict(why))
