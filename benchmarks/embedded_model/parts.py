"""Steps `split` and `join`: a large file in parts small enough to be carried one by one."""

import hashlib
import json
from pathlib import Path
from typing import Any

PART_BYTES = 15_000_000
LIST = "parts.json"


class PartsDamaged(ValueError):
    """Parts are missing or not what was split; the message says which to carry again."""


def split(file: Path, folder: Path, part_bytes: int = PART_BYTES) -> list[Path]:
    """Write `file` as parts of at most `part_bytes` into `folder`, and a list of their digests."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = hashlib.sha256()
    parts: list[Path] = []
    listed: list[dict[str, Any]] = []
    with file.open("rb") as source:
        while content := source.read(part_bytes):
            whole.update(content)
            parts.append(folder / f"{file.name}.{len(parts):03d}")
            parts[-1].write_bytes(content)
            listed.append({"name": parts[-1].name, "sha256": hashlib.sha256(content).hexdigest()})
    about = {"file": file.name, "sha256": whole.hexdigest(), "parts": listed}
    (folder / LIST).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return parts


def join(folder: Path, into: Path) -> Path:
    """Put the parts in `folder` together as a file in `into`, which is there whole or not at all.

    Raises PartsDamaged.
    """
    about = json.loads((folder / LIST).read_text(encoding="utf-8"))
    bad = [
        part["name"] for part in about["parts"] if _digest(folder / part["name"]) != part["sha256"]
    ]
    if bad:
        raise PartsDamaged(f"missing or damaged in {folder}: {', '.join(bad)}; carry them again")
    into.mkdir(parents=True, exist_ok=True)
    target = into / about["file"]
    partial = target.with_name(f"{target.name}.partial")
    whole = hashlib.sha256()
    with partial.open("wb") as out:
        for part in about["parts"]:
            content = (folder / part["name"]).read_bytes()
            whole.update(content)
            out.write(content)
    if whole.hexdigest() != about["sha256"]:
        partial.unlink()
        raise PartsDamaged(f"the parts in {folder} do not make {about['file']}; split it again")
    partial.replace(target)
    return target


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
