"""Which sources to learn from: none generated, vendored, minified, repeated or with secrets."""

import ast
import re
import warnings
from collections.abc import Iterable
from hashlib import blake2b
from importlib import import_module
from itertools import pairwise
from typing import Any, cast

import datasketch  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

from benchmarks.embedded_model.sources import Source

FOREIGN = frozenset(
    [
        "_vendor",
        "vendor",
        "vendored",
        "_vendored",
        "third_party",
        "thirdparty",
        "extern",
        "externals",
        "_externals",
        "node_modules",
        "packages",
        "migrations",
        "locale",
        "locales",
    ]
)
GENERATED = re.compile(r"generated (by|from|file|code)|auto-?generated|do not (edit|modify)", re.I)
GENERATED_NAME = re.compile(
    r"_pb2(_grpc)?\.py$|parsetab|lextab|_version\.py$|unicode_data|entities\.py$"
)
COPYLEFT = re.compile(r"GNU (Lesser |Affero )?General Public|Mozilla Public|\bA?L?GPL", re.I)
# The detectors of provider formats; the entropy and keyword detectors flag too much ordinary code.
PROVIDERS = [
    "aws",
    "azure_storage_key",
    "discord",
    "github_token",
    "gitlab_token",
    "mailchimp",
    "npm",
    "openai",
    "private_key",
    "pypi_token",
    "sendgrid",
    "slack",
    "square_oauth",
    "stripe",
    "telegram_token",
    "twilio",
]
# datasketch has no types.
SKETCHES: Any = datasketch
HEAD_CHARS = 3_000
LONGEST_LINE = 400
MEAN_LINE = 70
NEAR = 0.7
PERMUTATIONS = 64


def secret_patterns() -> list[re.Pattern[str]]:
    """The regular expressions of detect-secrets' provider plugins."""
    patterns: list[re.Pattern[str]] = []
    for name in PROVIDERS:
        module: Any = import_module(f"detect_secrets.plugins.{name}")
        for plugin in cast("dict[str, Any]", vars(module)).values():
            if isinstance(plugin, type) and plugin.__module__ == module.__name__:
                patterns += list(getattr(plugin, "denylist", ()))
    return patterns


def reason_to_drop(source: Source, secrets: Iterable[re.Pattern[str]]) -> str | None:
    """Why this file is left out, in one word, or None to keep it."""
    head = source.text[:HEAD_CHARS]
    lines = source.text.split("\n")
    if FOREIGN.intersection(source.path.split("/")[:-1]):
        return "vendored"
    if GENERATED_NAME.search(source.path) or GENERATED.search(head):
        return "generated"
    if COPYLEFT.search(head):
        return "copyleft"
    if max(map(len, lines)) > LONGEST_LINE or len(source.text) / len(lines) > MEAN_LINE:
        return "minified"
    if not _reads_as_code(source.text, len(lines)):
        return "data"
    if any(pattern.search(source.text) for pattern in secrets):
        return "secret"
    return None if _parses(source.text) else "syntax"


def _reads_as_code(text: str, lines: int) -> bool:
    letters = sum(map(str.isalpha, text))
    return lines >= 8 and letters / len(text) > 0.3


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


class Duplicates:
    """Remembers the files seen and recognises repeats: exact, or sharing most of their lines."""

    def __init__(self) -> None:
        self._exact: set[bytes] = set()
        self._near: Any = SKETCHES.MinHashLSH(threshold=NEAR, num_perm=PERMUTATIONS)

    def is_repeat(self, key: str, text: str, signature: np.ndarray[Any, Any]) -> bool:
        """Whether `text` repeats an earlier file; remembers it if it does not."""
        digest = blake2b("".join(text.split()).encode(), digest_size=16).digest()
        if digest in self._exact:
            return True
        sketch: Any = SKETCHES.MinHash(
            num_perm=PERMUTATIONS, hashvalues=signature, scheme="affine32"
        )
        if self._near.query(sketch):
            return True
        self._exact.add(digest)
        self._near.insert(key, sketch)
        return False


def line_signature(text: str) -> np.ndarray[Any, Any]:
    """MinHash values of the set of pairs of neighbouring non-trivial lines."""
    lines = [line for line in map(str.strip, text.split("\n")) if len(line) > 3]
    pairs = {f"{a}\n{b}".encode() for a, b in pairwise(lines)}
    sketch: Any = SKETCHES.MinHash(num_perm=PERMUTATIONS, scheme="affine32")
    sketch.update_batch(sorted(pairs) or [b""])
    return sketch.hashvalues
