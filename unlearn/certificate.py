"""What a refresh did, as a JSON file per generation; each one vouches for the one before it.

A certificate never says that anything was removed from the base: an adapter suppresses. Removed is
only what a rebuild holds no more, an item that was taken back: the adapter is the same as if it had
never been there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from store.records import Item, RunMode
from unlearn.config import RefreshConfig
from unlearn.errors import CertificateBroken
from unlearn.lora import CONFIG, WEIGHTS
from unlearn.verdict import Verdict

CERTIFICATE = "certificate.json"
VOUCHED = (WEIGHTS, CONFIG, "unsay.json")
GENERATION = re.compile(r"g(\d{6})-[0-9a-f]{8}")
VERSION = 2

Effect = Literal["suppressed", "still_banned", "removed"]
"""Suppressed by the adapter; or kept back by its ban, because the weights still say it; or taken
back, and not in this adapter any more."""


@dataclass(frozen=True)
class Link:
    """One certificate of a chain."""

    generation: str
    digest: str
    """SHA-256 of the certificate file."""


def write_certificate(
    folder: Path,
    *,
    name: str,
    parent: str,
    created_at: str,
    mode: RunMode,
    config: RefreshConfig,
    verdict: Verdict,
    items: Sequence[Item],
    removed: Sequence[Item],
    figures: dict[str, Any],
    provenance: dict[str, Any],
    attacks: dict[str, Any],
    previous: Link | None,
) -> dict[str, Any]:
    """Write the certificate of the candidate in `folder` and return it.

    `figures` are the training's, `removed` what a rebuild leaves out. Items appear by id and
    fingerprint, never with their text.
    """
    found: dict[str, Any] = {
        "version": VERSION,
        "generation": name,
        "parent": parent,
        "created_at": created_at,
        "provenance": provenance,
        "files": {file: _digest(folder / file) for file in VOUCHED},
        "mode": mode,
        "method": config.method,
        "settings": asdict(config),
        "verdict": "passed" if verdict.passed else "rejected",
        "reasons": verdict.reasons,
        "rows": [asdict(row) for row in verdict.rows],
        "drift": None if verdict.drift is None else asdict(verdict.drift),
        "training": figures,
        "attacks": attacks,
        "items": [
            *(_item(item, verdict) for item in items),
            *(_name(item) | {"effect": "removed"} for item in removed),
        ],
        "effect": "suppressed: the adapter keeps the model from saying it; the base's weights are "
        "unchanged, so nothing is removed from them",
        "previous": None
        if previous is None
        else {"generation": previous.generation, "sha256": previous.digest},
    }
    found["sha256"] = _own_digest(found)
    (folder / CERTIFICATE).write_bytes(_canonical(found))
    return found


def verify_chain(adapters: Path) -> list[Link]:
    """Check every certificate under `adapters`, oldest first, and what each vouches for.

    Any changed byte of a certificate or of a generation's files, and any certificate missing from
    the middle, raises CertificateBroken. The newest can only be missed by who knows its name.
    """
    links: list[Link] = []
    for folder in generations(adapters):
        links.append(_verified(folder, links[-1] if links else None))
    return links


def generations(adapters: Path) -> list[Path]:
    """The folders of finished generations, oldest first."""
    if not adapters.is_dir():
        return []
    return sorted(path for path in adapters.iterdir() if GENERATION.fullmatch(path.name))


def _verified(folder: Path, previous: Link | None) -> Link:
    name = folder.name
    try:
        raw = (folder / CERTIFICATE).read_bytes()
        found: dict[str, Any] = json.loads(raw)
        claimed = found["sha256"]
        if raw != _canonical(found) or claimed != _own_digest(found):
            raise CertificateBroken(name, "its text was changed")
        if found["generation"] != name:
            raise CertificateBroken(name, f"it was written for {found['generation']}")
        expected = previous and {"generation": previous.generation, "sha256": previous.digest}
        if found["previous"] != expected:
            raise CertificateBroken(name, "it does not follow the one before it")
        for file, digest in found["files"].items():
            if _digest(folder / file) != digest:
                raise CertificateBroken(name, f"{file} was changed")
    except OSError as error:
        raise CertificateBroken(name, f"{error.filename} cannot be read") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CertificateBroken(name, "it is not a certificate any more") from error
    return Link(name, hashlib.sha256(raw).hexdigest())


def newest(adapters: Path) -> Link | None:
    """The certificate that the next one follows, be the chain before it whole or not."""
    for folder in reversed(generations(adapters)):
        path = folder / CERTIFICATE
        if path.is_file():
            return Link(folder.name, _digest(path))
    return None


def _item(item: Item, verdict: Verdict) -> dict[str, Any]:
    found = verdict.items.get(item.id)
    is_forgotten = found is not None and found.is_forgotten
    effect: Effect = "suppressed" if is_forgotten else "still_banned"
    return _name(item) | {
        "effect": effect,
        "forced": None if found is None or found.forced is None else asdict(found.forced),
        "asked": 0 if found is None else found.asked,
        "leaks": 0 if found is None else found.leaks,
    }


def _name(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "fingerprint": item.fingerprint,
        "kind": item.kind,
        "rule": item.rule,
    }


def _own_digest(found: dict[str, Any]) -> str:
    rest = {name: value for name, value in found.items() if name != "sha256"}
    return hashlib.sha256(_canonical(rest)).hexdigest()


def _canonical(found: dict[str, Any]) -> bytes:
    return (json.dumps(found, indent=1, sort_keys=True) + "\n").encode()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
