"""Code that neither the embedded model nor the taught one was trained on."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.embedded_model.clean import reason_to_drop, secret_patterns
from benchmarks.embedded_model.layout import WHEELS
from benchmarks.embedded_model.sources import Package, Source, download, read_stdlib, read_wheel

# Three of the held-out packages of server/default_model/data.json, the small ones: hundreds of
# files, and all of pure Python.
HELD_OUT = ("kombu==5.2.4", "stable-baselines3==1.8.0", "huggingface-hub==0.15.1")
SEED = 41


@dataclass(frozen=True)
class Unseen:
    """Files in a fixed random order."""

    files: tuple[Source, ...]
    is_seen: bool
    """Without a network they are the standard library's, which the embedded model was trained
    on: losses then are too low, differences between adapters still hold."""


@cache
def unseen_code() -> Unseen:
    """The clean files of HELD_OUT, downloaded the first time; says so where they cannot be had."""
    missing = download([need for need in HELD_OUT if _wheel(need) is None], at_once=2)
    packages = [package for need in HELD_OUT if (package := _read(need))]
    if missing or not packages:
        print(
            f"{', '.join(missing)} could not be downloaded: the standard library, which the model "
            "was trained on, stands in for unseen code",
            file=sys.stderr,
        )
        packages = [read_stdlib()]
    files = list(_clean(packages))
    return Unseen(tuple(random.Random(SEED).sample(files, len(files))), bool(missing))


def _read(need: str) -> Package | None:
    wheel = _wheel(need)
    return None if wheel is None else read_wheel(wheel)


def _wheel(need: str) -> Path | None:
    name, version = need.replace("-", "_").split("==")
    return next(iter(sorted(WHEELS.glob(f"{name}-{version}-*.whl"))), None)


def _clean(packages: list[Package]) -> Iterator[Source]:
    secrets = secret_patterns()
    for package in packages:
        for source in package.files:
            if reason_to_drop(source, secrets) is None:
                yield source
