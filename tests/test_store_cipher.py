from __future__ import annotations

from pathlib import Path

import pytest
from example_records import SECRET, new_item, suggestion

from store import ledger, suggestions
from store.cipher import Cipher, normalise
from store.database import Database, open_database
from store.errors import DatabaseDamaged, KeyMissing
from store.home import Home


@pytest.fixture
def cipher(tmp_path: Path) -> Cipher:
    return Cipher.open(tmp_path / "key")


@pytest.mark.parametrize(
    "text", ["", "x = 1\n", "äöü 漢字 🙂", "\0", "half a pair \ud83d", "y" * 10**6]
)
def test_a_text_comes_back_as_it_was(cipher: Cipher, text: str) -> None:
    assert cipher.decrypt(cipher.encrypt(text)) == text


def test_the_same_text_never_looks_the_same(cipher: Cipher) -> None:
    assert cipher.encrypt("x = 1") != cipher.encrypt("x = 1")


@pytest.mark.parametrize("sealed", [b"", b"short", b"0" * 12, b"0" * 60])
def test_what_was_never_encrypted_is_damage(cipher: Cipher, sealed: bytes) -> None:
    with pytest.raises(DatabaseDamaged, match="an encrypted text was changed"):
        cipher.decrypt(sealed)


def test_a_changed_bit_is_damage(cipher: Cipher) -> None:
    sealed = bytearray(cipher.encrypt("password"))
    sealed[14] ^= 1

    with pytest.raises(DatabaseDamaged):
        cipher.decrypt(bytes(sealed))


def test_a_fingerprint_does_not_see_white_space(cipher: Cipher) -> None:
    assert normalise("  f(\n\ta,  b ) ") == "f( a, b )"
    assert cipher.fingerprint("f(a,\n    b)") == cipher.fingerprint(" f(a, b)")
    assert cipher.fingerprint("f(a, b)") != cipher.fingerprint("f(a,b)")


def test_a_context_does_see_it_and_knows_prefix_from_suffix(cipher: Cipher) -> None:
    contexts = [("a ", "b"), ("a", " b"), ("a", "b"), ("ab", ""), ("", "ab"), ("1:a", "b")]

    assert len({cipher.context(prefix, suffix) for prefix, suffix in contexts}) == len(contexts)


def test_a_fingerprint_is_worth_nothing_without_the_key(tmp_path: Path) -> None:
    one, other = Cipher.open(tmp_path / "one"), Cipher.open(tmp_path / "other")

    assert one.fingerprint(SECRET) != other.fingerprint(SECRET)
    assert one.fingerprint(SECRET) == Cipher.open(tmp_path / "one").fingerprint(SECRET)


@pytest.mark.parametrize("content", ["", "00ff", "not a key", "ä" * 64])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    key = tmp_path / "key"
    key.write_text(content, "utf-8")

    with pytest.raises(KeyMissing, match="put back the file that was there"):
        Cipher.open(key)

    assert key.read_text("utf-8") == content


def test_a_lost_key_is_not_replaced_while_it_has_texts(home: Home, db: Database) -> None:
    item = ledger.add(db, new_item())
    db.close()
    kept = home.key.rename(home.root / "kept")

    with pytest.raises(KeyMissing, match="is gone: put back"):
        open_database(home)
    assert not home.key.exists()

    kept.rename(home.key)
    again = open_database(home)
    assert ledger.get(again, item.id) == item
    again.close()


def test_another_key_is_refused(home: Home, db: Database) -> None:
    suggestions.record(db, suggestion())
    db.close()
    home.key.unlink()
    Cipher.open(home.key)

    with pytest.raises(KeyMissing, match="is not the one its texts were written with"):
        open_database(home)


def test_a_lost_key_of_an_empty_database_is_made_anew(home: Home, db: Database) -> None:
    db.close()
    home.key.unlink()

    again = open_database(home)
    item = ledger.add(again, new_item())
    again.close()

    final = open_database(home)
    assert ledger.get(final, item.id) == item
    final.close()
