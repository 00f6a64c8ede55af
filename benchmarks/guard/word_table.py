"""Makes server/guard/word_bits.txt: how many bits a usual word says where it stands in code.

Counted over the installed packages, each word once a file; nothing but the figures is kept.
`python -m benchmarks.guard.word_table` writes the table anew.
"""

from __future__ import annotations

import re
import sysconfig
from collections import Counter
from hashlib import sha256
from math import log2
from pathlib import Path

from server.guard.word_bits import MOST_BITS, TABLE

WORDS = 1000
FILES = 60
"""Of one package: the largest would else decide what is usual."""
LEAST_FILE_BYTES, MOST_FILE_BYTES = 1_000, 300_000
_WORD = re.compile(r"[A-Za-z_]\w*")
_TEXT = re.compile(r'("""|' + r"''')[\s\S]*?\1|#[^\n]*")


def main() -> None:
    """Count, and write the table."""
    counts = Counter[str]()
    root = Path(sysconfig.get_path("purelib"))
    taken = Counter[str]()
    for path in sorted(root.rglob("*.py"), key=lambda path: sha256(path.name.encode()).digest()):
        package = path.relative_to(root).parts[0]
        if taken[package] < FILES and LEAST_FILE_BYTES <= path.stat().st_size <= MOST_FILE_BYTES:
            taken[package] += 1
            text = path.read_text(encoding="utf-8", errors="replace")
            # a word that one file says a hundred times is not usual for that
            for word, count in Counter(_WORD.findall(_TEXT.sub("", text))).items():
                counts[word] += min(count, 8)
    total = sum(counts.values())
    lines: dict[int, list[str]] = {}
    for word, count in counts.most_common(WORDS):
        bits = min(MOST_BITS, round(-log2(count / total)))
        lines.setdefault(bits, []).append(word)
    text = "".join(f"{bits} {' '.join(sorted(words))}\n" for bits, words in sorted(lines.items()))
    TABLE.write_text(text, encoding="ascii")
    print(f"{TABLE.name}: {sum(map(len, lines.values()))} words, {len(text)} bytes")


if __name__ == "__main__":
    main()
