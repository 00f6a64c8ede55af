"""What is read: token ids of real files, a long prompt and a few keys more."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

FILES = (
    *("argparse.py", "ast.py", "csv.py", "dataclasses.py", "difflib.py", "doctest.py", "enum.py"),
    *("fractions.py", "ftplib.py", "gzip.py", "heapq.py", "inspect.py", "ipaddress.py"),
)
KEY_TOKENS = 4
"""By so many tokens the prompt has grown when the next request comes."""
NEW_TOKENS = 32


@dataclass(frozen=True)
class Place:
    """A cursor: `read` is known from before, `typed` is new, `follows` stands behind it."""

    read: tuple[int, ...]
    typed: tuple[int, ...]
    follows: tuple[int, ...]


def places(encode: Callable[[str], list[int]], tokens: int, count: int) -> Iterator[Place]:
    """`count` places of `tokens` known and KEY_TOKENS typed tokens; `encode` gives a text's ids."""
    folder = Path(sysconfig.get_path("stdlib"))
    for i in range(count):
        text = (folder / FILES[i % len(FILES)]).read_text(encoding="utf-8")
        ids = encode(text)
        typed = max(tokens, len(ids) // 2 + 97 * (i // len(FILES)))
        end = typed + KEY_TOKENS
        yield Place(
            tuple(ids[typed - tokens : typed]),
            tuple(ids[typed:end]),
            tuple(ids[end : end + NEW_TOKENS]),
        )
