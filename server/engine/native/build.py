"""Compiles the C files of this folder; the installation does it, see hatch_build.py.

    python -m server.engine.native.build

Knows nothing but the standard library: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = ("products.h", "step.c")
FLAGS = ("-O3", "-mavx2", "-mfma", "-shared", "-fPIC")
THREADS = "-fopenmp"
"""Not every compiler brings it: without, one thread does all."""


def library_path() -> Path:
    """Where the library of these sources lies once it is built; that of others is never taken."""
    digest = hashlib.sha256(b"".join((FOLDER / name).read_bytes() for name in SOURCES))
    return FOLDER / f"step-{digest.hexdigest()[:8]}.so"


def build() -> Path | None:
    """Compile, unless it is done already; None where there is no compiler for this processor."""
    target = library_path()
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if target.is_file() or compiler is None:
        return target if target.is_file() else None
    partial = target.with_suffix(".partial")
    for threads in ((THREADS,), ()):
        command = [compiler, *FLAGS, *threads, "-o", str(partial), str(FOLDER / "step.c"), "-lm"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            for old in FOLDER.glob("step-*.so"):
                old.unlink()
            return partial.rename(target)
    return None


if __name__ == "__main__":
    built = build()
    sys.exit("no C compiler for AVX2 was found: torch does the arithmetic" if built is None else 0)
