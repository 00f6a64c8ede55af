"""Python files of the standard library and of the listed wheels, read but never run."""

import email
import random
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from benchmarks.embedded_model.layout import HERE, SEED, WHEELS
from benchmarks.embedded_model.licences import permissive_licence

# Enough of each for its style, so that no single package is a large share of the corpus.
PACKAGE_CHARS = 4_000_000
STDLIB_CHARS = 16_000_000
FILE_CHARS = 200_000


@dataclass(frozen=True)
class Source:
    """One Python file of one package."""

    package: str
    path: str
    text: str


@dataclass(frozen=True)
class Package:
    """A package as its metadata describes it, with its files."""

    name: str
    version: str
    licence: str
    files: tuple[Source, ...]


def listed_packages() -> list[str]:
    """The requirements (`name==version`) of packages.txt."""
    lines = (HERE / "packages.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def download(requirements: list[str], folder: Path = WHEELS, at_once: int = 8) -> list[str]:
    """Fetch wheels with pip and return the requirements for which there is none.

    Only wheels: to download a source distribution, pip runs its build backend.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(at_once) as pool:
        fetched = pool.map(_fetch, requirements, repeat(folder))
        return [r for r, is_there in zip(requirements, fetched, strict=True) if not is_there]


def _fetch(requirement: str, folder: Path) -> bool:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder)]
    older = ["--python-version", "3.8", "--platform", "manylinux2014_x86_64", "--platform", "any"]
    for extra in ([], older):
        done = subprocess.run([*command, *extra, requirement], capture_output=True, check=False)
        if done.returncode == 0:
            return True
    return False


def read_wheel(path: Path) -> Package | None:
    """The sources of a wheel, at most PACKAGE_CHARS; None if its licence is not permissive."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        stated = next(n for n in names if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(stated))
        licence = permissive_licence(metadata)
        if licence is None:
            return None
        name = str(metadata["Name"])
        wanted = sorted(n for n in names if n.endswith(".py"))
        read = ((n, wheel.read(n)) for n in _shuffled(wanted))
        files = tuple(_decoded(name, read, PACKAGE_CHARS))
    return Package(name, str(metadata["Version"]), licence, files)


def read_stdlib() -> Package:
    """The sources of the running Python's standard library, its tests included."""
    lib = Path(sysconfig.get_path("stdlib"))
    wanted = sorted(
        p.relative_to(lib).as_posix() for p in lib.rglob("*.py") if "site-packages" not in p.parts
    )
    read = ((n, (lib / n).read_bytes()) for n in _shuffled(wanted))
    files = tuple(_decoded("python", read, STDLIB_CHARS))
    return Package("python", sys.version.split()[0], "PSF", files)


def _shuffled(names: list[str]) -> list[str]:
    random.Random(SEED).shuffle(names)
    return names


def _decoded(package: str, files: Iterator[tuple[str, bytes]], chars: int) -> Iterator[Source]:
    for path, content in files:
        try:
            text = content.decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError:
            continue
        if not 200 <= len(text) <= FILE_CHARS:
            continue
        yield Source(package, path, text)
        chars -= len(text)
        if chars <= 0:
            return
