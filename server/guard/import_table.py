"""What the names in an unfinished Python file stand for, read off its import statements alone.

Cheaper than a syntax tree and just as right for whole files: an import is a line that begins so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2  # pyright: ignore[reportMissingTypeStubs]

_RE2: Any = re2
_LINE = _RE2.compile(rb"(?m)^[ \t]*(?:from|import)[ \t]")

_IMPORT = re.compile(
    r"(?m)^[ \t]{0,40}(?:from[ \t]+([\w.]{1,200})[ \t]+import[ \t]*"
    r"(\([^()]{0,4000}\)|[^\n#;]{1,400})"
    r"|import[ \t]+([^\n#;]{1,400}))"
)
_NAMED = re.compile(r"([\w.]+|\*)(?:\s+as\s+(\w+))?")
_COMMENT = re.compile(r"#[^\n]*")
# The same module under the names it has had.
_SAME = re.compile(
    r"^(?:(?:django\.utils\.)?six\.moves\.)?"
    r"(?:(builtins|__builtin__|__builtins__)\.(?=\w)|(_pickle|cPickle|pickle5)(?=\.)"
    r"|(Cryptodome)(?=\.)|(sklearn\.externals\.joblib)(?=\.))"
)
MOST_CHARS = 400_000
"""Of a file above the cursor."""
_NOW = ("", "pickle", "Crypto", "joblib")
# What a module's usual short name means where the import statement cannot be seen.
_SHORT_NAMES = {
    "np": "numpy",
    "pd": "pandas",
    "AES": "Crypto.Cipher.AES",
    "DES": "Crypto.Cipher.DES",
    "ARC4": "Crypto.Cipher.ARC4",
    "Blowfish": "Crypto.Cipher.Blowfish",
    "MD5": "Crypto.Hash.MD5",
    "SHA1": "Crypto.Hash.SHA1",
    "hashes": "cryptography.hazmat.primitives.hashes",
    "modes": "cryptography.hazmat.primitives.ciphers.modes",
    "algorithms": "cryptography.hazmat.primitives.ciphers.algorithms",
    "Popen": "subprocess.Popen",
    "check_call": "subprocess.check_call",
    "check_output": "subprocess.check_output",
    "getoutput": "subprocess.getoutput",
    "getstatusoutput": "subprocess.getstatusoutput",
    "md5": "hashlib.md5",
    "sha1": "hashlib.sha1",
}


@dataclass(frozen=True)
class ImportTable:
    """Full names by local name."""

    names: dict[str, str]
    stars: tuple[str, ...]
    """Modules of which everything was imported."""

    def paths(self, dotted: str, modules: frozenset[str]) -> list[str]:
        """The full names that `dotted` may have, likeliest first.

        `modules`: where no import says what the first part is, it may be one of these modules.
        """
        root, dot, rest = dotted.partition(".")
        known = self.names.get(root)
        if known is not None:
            return [settled(known + dot + rest)]
        found = [f"{star}.{dotted}" for star in self.stars]
        if root in modules or not dot:
            found.append(settled(dotted))
        if root in _SHORT_NAMES and not self.stars:
            found.append(_SHORT_NAMES[root] + dot + rest)
        return found


@lru_cache(maxsize=4)
def import_table(text: str) -> ImportTable:
    """What the import statements of `text` bind, whatever else stands in it."""
    names, stars = dict[str, str](), list[str]()
    for module, listed, modules in _imports(text):
        for name, alias in _NAMED.findall(_COMMENT.sub("", listed or modules)):
            if name == "*":
                stars.append(module)
            elif module:
                names[alias or name] = f"{module}.{name}"
            elif alias:
                names[alias] = name
            else:
                root = name.split(".", 1)[0]
                names[root] = root
    return ImportTable(names, tuple(stars))


def imports_around(prefix: str, suggestion: str) -> ImportTable:
    """What is imported up to the end of a suggestion; of the lines above it is known from before.

    Those of a statement that the cursor is in are read with it.
    """
    prefix = prefix[-MOST_CHARS:]
    line, last = prefix.rfind("\n") + 1, prefix.rfind("import")
    if last >= 0 and "(" in prefix[last:] and ")" not in prefix[last:]:
        line = prefix.rfind("\n", 0, last) + 1
    above, here = import_table(prefix[:line]), import_table(prefix[line:] + suggestion)
    return ImportTable({**above.names, **here.names}, above.stars + here.stars)


def _imports(text: str) -> Iterator[tuple[str, str, str]]:
    """The groups of _IMPORT, found with RE2, which passes over a text in a third of the time."""
    end = 0
    for line in _LINE.finditer(text.encode("ascii", "replace")):
        match = _IMPORT.match(text, line.start()) if line.start() >= end else None
        if match is not None:
            end = match.end()
            module, listed, modules = match.groups("")
            yield module, listed, modules


def settled(path: str) -> str:
    """`path` with a module's old or second name replaced: `cPickle.loads` is `pickle.loads`."""
    match = _SAME.match(path)
    if match is None:
        return path
    return _NOW[(match.lastindex or 1) - 1] + path[match.end() :]
