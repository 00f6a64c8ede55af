"""The chain of certificates: what it holds, and that no byte of it can change unseen."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from unlearn_scene import plain_item

from store.records import Item
from unlearn.certificate import CERTIFICATE, newest, verify_chain, write_certificate
from unlearn.config import RefreshConfig
from unlearn.errors import CertificateBroken
from unlearn.forced import Forced
from unlearn.verdict import ItemVerdict, Row, Verdict


def verdict(*items: Item) -> Verdict:
    rows = [Row("integrity", 0.0, 0.0, True, True, "the adapter is sound")]
    forced = Forced(0.01, 0.0, 0.0)
    return Verdict(rows, {item.id: ItemVerdict(item.id, forced, 5, 0) for item in items})


def generation(adapters: Path, number: int, *items: Item, removed: Sequence[Item] = ()) -> Path:
    """A folder as a refresh leaves it behind, with its certificate."""
    folder = adapters / f"g{number:06d}-0123abcd"
    folder.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json", "unsay.json"):
        (folder / name).write_text(f"{name} of {number}")
    write_certificate(
        folder,
        name=folder.name,
        parent="base",
        created_at="2026-01-01T00:00:00.000Z",
        mode="incremental",
        config=RefreshConfig(),
        verdict=verdict(*items),
        items=items,
        removed=removed,
        figures={"updates": 3},
        provenance={"base_digest": "ab" * 32},
        attacks={"seed": 0},
        previous=newest(adapters),
    )
    return folder


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        generation(tmp_path, number, plain_item("aws"))
    return tmp_path


def test_a_chain_as_it_was_written_holds(chain: Path) -> None:
    assert [link.generation[:7] for link in verify_chain(chain)] == [
        "g000001",
        "g000002",
        "g000003",
    ]


def test_no_certificates_make_a_chain_that_holds(tmp_path: Path) -> None:
    assert verify_chain(tmp_path / "none") == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_any_changed_byte_of_a_certificate_is_found(chain: Path, number: int) -> None:
    path = chain / f"g{number:06d}-0123abcd" / CERTIFICATE
    whole = path.read_bytes()
    for at in range(0, len(whole), 37):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CertificateBroken):
            verify_chain(chain)
    path.write_bytes(whole)

    assert len(verify_chain(chain)) == 3


@pytest.mark.parametrize(
    "name", ["adapter_model.safetensors", "adapter_config.json", "unsay.json", CERTIFICATE]
)
def test_a_changed_or_missing_file_of_a_generation_is_found(chain: Path, name: str) -> None:
    path = chain / "g000002-0123abcd" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CertificateBroken, match="g000002-0123abcd"):
        verify_chain(chain)

    path.unlink()
    with pytest.raises(CertificateBroken, match="g000002-0123abcd"):
        verify_chain(chain)


def test_a_certificate_taken_out_of_the_middle_is_found(chain: Path) -> None:
    (chain / "g000002-0123abcd").rename(chain / "elsewhere")

    with pytest.raises(CertificateBroken, match=r"g000003.* does not follow the one before it"):
        verify_chain(chain)


def test_a_rewritten_certificate_breaks_the_next_one(chain: Path) -> None:
    folder = chain / "g000001-0123abcd"
    found: dict[str, Any] = json.loads((folder / CERTIFICATE).read_bytes())
    again = chain / "again"
    rewritten = generation(again, 1, plain_item("aws"), plain_item("github"))
    (folder / CERTIFICATE).write_bytes((rewritten / CERTIFICATE).read_bytes())
    (rewritten.parent / "x").mkdir()

    with pytest.raises(CertificateBroken, match="g000002"):
        verify_chain(chain)
    assert found["items"] != json.loads((folder / CERTIFICATE).read_bytes())["items"]


def test_a_certificate_names_items_without_their_text(tmp_path: Path) -> None:
    item = plain_item("password")

    folder = generation(tmp_path, 1, item)

    text = (folder / CERTIFICATE).read_text()
    found: dict[str, Any] = json.loads(text)
    assert item.target is not None and item.target not in text
    assert [(i["id"], i["fingerprint"], i["effect"]) for i in found["items"]] == [
        ("password", "password", "suppressed")
    ]
    assert found["effect"].startswith("suppressed")
    assert found["settings"]["seed"] == 0


def test_an_item_that_still_comes_out_is_said_to_be_still_banned(tmp_path: Path) -> None:
    item = plain_item("aws")
    leaking = Verdict(verdict().rows, {"aws": ItemVerdict("aws", None, 5, 2)})
    folder = generation(tmp_path, 1)

    found = write_certificate(
        folder,
        name=folder.name,
        parent="base",
        created_at="",
        mode="rebuild",
        config=RefreshConfig(),
        verdict=leaking,
        items=[item],
        removed=(),
        figures={},
        provenance={},
        attacks={},
        previous=None,
    )

    assert found["items"][0]["effect"] == "still_banned"
    assert found["items"][0]["leaks"] == 2


def test_only_what_was_taken_back_is_said_to_be_removed(tmp_path: Path) -> None:
    folder = generation(tmp_path, 1, plain_item("aws"), removed=[plain_item("github")])

    found: dict[str, Any] = json.loads((folder / CERTIFICATE).read_bytes())

    assert [(one["id"], one["effect"]) for one in found["items"]] == [
        ("aws", "suppressed"),
        ("github", "removed"),
    ]
    assert "nothing is removed from them" in found["effect"]


def test_no_byte_of_a_generation_changes_unseen(chain: Path) -> None:
    chance = random.Random(0)
    paths = [path for path in sorted(chain.glob("*/*")) if path.is_file()]
    for i in range(300):
        path = paths[i % len(paths)]
        whole = path.read_bytes()
        at = chance.randrange(len(whole)) if i >= len(paths) else (0, -1)[i % 2]
        changed = bytearray(whole)
        changed[at] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(changed))
        with pytest.raises(CertificateBroken):
            verify_chain(chain)
        path.write_bytes(whole)

    assert len(verify_chain(chain)) == 3
