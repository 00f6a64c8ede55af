"""Encrypts the texts of the database with a key that lies beside it, in a file of its own.

What it protects is a copy of the database that travels without its key (a backup, a bug report, a
synchronised folder). Who can read the whole home reads the texts.
"""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.errors import DatabaseDamaged, HomeUnwritable, KeyMissing

_KEY_BYTES = 32
_NONCE_BYTES = 12  # random ones are safe for some four thousand million texts


class Cipher:
    """AES-256-GCM for texts and HMAC-SHA256 for fingerprints, each with a key derived from one."""

    def __init__(self, key: bytes) -> None:
        self._aes = AESGCM(hmac.digest(key, b"unsay texts", sha256))
        self._digest_key = hmac.digest(key, b"unsay fingerprints", sha256)

    @classmethod
    def open(cls, path: Path) -> Cipher:
        """With the key in the file `path`, made on first use; raises KeyMissing, HomeUnwritable."""
        try:
            return cls(_read_key(path))
        except FileNotFoundError:
            _make_key(path)
            return cls(_read_key(path))

    def encrypt(self, text: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        # an editor may send half a surrogate pair: it is kept, not a reason to fail
        return nonce + self._aes.encrypt(nonce, text.encode("utf-8", "surrogatepass"), None)

    def decrypt(self, sealed: bytes) -> str:
        """The text; raises DatabaseDamaged if a bit of it is not as it was written."""
        try:
            text = self._aes.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise DatabaseDamaged(Path("unsay.db"), "an encrypted text was changed") from error
        return text.decode("utf-8", "surrogatepass")

    def fingerprint(self, text: str) -> str:
        """Keyed digest of a text, white space folded, as 64 hexadecimal digits."""
        return self._digest("text", normalise(text))

    def context(self, prefix: str, suffix: str) -> str:
        """Keyed digest of a place in a file; white space counts, for the model sees it."""
        return self._digest("context", f"{len(prefix)}:{prefix}{suffix}")

    def mark(self) -> str:
        """Tells this key from another without telling anything about it."""
        return self._digest("key", "")

    def _digest(self, purpose: str, text: str) -> str:
        message = f"{purpose}:{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._digest_key, message, sha256).hex()


def normalise(text: str) -> str:
    """The text with each run of white space as one blank, and none at its ends."""
    return " ".join(text.split())


def _read_key(path: Path) -> bytes:
    try:
        text = path.read_text("ascii")
        key = bytes.fromhex(text)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyMissing(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise KeyMissing(path, "is not a key") from error
    if len(key) != _KEY_BYTES:
        raise KeyMissing(path, "is not a whole key")
    return key


def _make_key(path: Path) -> None:
    """Write a new key, whole or not at all; keeps one that another process made meanwhile."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # 0600 from the start
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_bytes(_KEY_BYTES).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            os.unlink(name)
    except OSError as error:
        raise HomeUnwritable(path.parent, error.strerror or str(error)) from error
