"""The folder of a new generation: built under a temporary name, finished by one rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from store import adapters
from store.database import Database
from store.errors import NotFound
from unlearn.certificate import CERTIFICATE, VOUCHED, generations
from unlearn.lora import WEIGHTS, Student

PARTIAL = ".partial"


@dataclass(frozen=True)
class Candidate:
    """A generation that is not finished yet."""

    name: str
    digest: str
    """SHA-256 of its safetensors file."""
    folder: Path
    """Its temporary folder."""

    def finish(self) -> Path:
        """Give the folder its name, once all its files are on the disk."""
        for name in (*VOUCHED, CERTIFICATE):
            (self.folder / name).chmod(0o600)
            _sync(self.folder / name)
        _sync(self.folder)
        final = self.folder.parent / self.name
        os.rename(self.folder, final)
        _sync(final.parent)
        return final


def write_candidate(
    home: Path, number: int, student: Student, *, base_name: str, base_digest: str, parent: str
) -> Candidate:
    """Write the adapter under a temporary name in the folder `home` of all adapters."""
    folder = home / f".g{number:06d}{PARTIAL}"
    folder.mkdir(mode=0o700)
    student.save(folder, base_name)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    name = f"g{number:06d}-{digest[:8]}"
    own = {"name": name, "base_digest": base_digest, "digest": digest, "parent": parent}
    (folder / "unsay.json").write_text(json.dumps(own, indent=1, sort_keys=True) + "\n")
    return Candidate(name, digest, folder)


def sweep(home: Path, db: Database) -> list[str]:
    """Take away what a killed refresh left behind, and return its names.

    That is every temporary folder, and a finished one that the database does not know. A
    generation whose judgement never came counts as rejected.
    """
    swept: list[str] = []
    for folder in home.iterdir():
        if folder.name.startswith(".") and folder.name.endswith(PARTIAL):
            shutil.rmtree(folder)
            swept.append(folder.name)
    for folder in generations(home):
        try:
            if adapters.get(db, folder.name).state == "candidate":
                adapters.set_state(db, folder.name, "rejected")
        except NotFound:
            shutil.rmtree(folder)
            swept.append(folder.name)
    return swept


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
