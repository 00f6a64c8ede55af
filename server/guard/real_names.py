"""Whether what a text says of the standard library's modules exists: `hashlib.sha257` does not."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from functools import cache

import typeshed_client

_IMPORT = re.compile(r"(?m)^[ \t]*import[ \t]+([^\n#;]+)")
_MEMBER = re.compile(r"(?<![\w.])(?<!from )(?<!import )([A-Za-z_]\w*)\.[ \t]*([A-Za-z_]\w*)")
_USED = re.compile(r"(?<![\w.])(?<!from )(?<!import )([A-Za-z_]\w*)[.(]")
_KNOWN = frozenset({*dir(builtins), *keyword.kwlist, *keyword.softkwlist})


def says_real_names(before: str, text: str) -> bool:
    """Whether each `module.name` of a Python `text`, which may go on a word of `before`, exists.

    Only of modules of the standard library that are imported by their own name, or as another; no
    other may be named. A name that is cut off at the end of the text counts if some name begins
    like it; one that the cursor cut and the text does not go on has to be whole.
    """
    line = before[before.rfind("\n") + 1 :]
    modules = _imported(before + text)
    whole = line + text
    for match in _MEMBER.finditer(whole):
        module = modules.get(match[1])
        if match.end() < len(line) or match[2].startswith("__"):
            continue
        if module is None and _is_missing(match[1], before + text):
            if match.start() >= len(line):
                return False
            module = match[1]  # the user's: its import is further above than what we have
        if module is None or not _names(module):
            continue
        known = _names(module)
        is_open = match.end() == len(whole)
        if not any(match[2] == name or (is_open and name.startswith(match[2])) for name in known):
            return False
    return True


def calls_known_names(before: str, text: str, after: str) -> bool:
    """Whether what a Python `text` calls, or takes members of, is a builtin or stands elsewhere."""
    line = before[before.rfind("\n") + 1 :]
    for match in _USED.finditer(line + text):
        name = match[1]
        is_ours = match.end(1) > len(line)
        if is_ours and name not in _KNOWN and not _stands(name, before, text, after):
            return "import *" in before
    return True


def _stands(name: str, before: str, text: str, after: str) -> bool:
    """Whether a name is around a text, or in it as something that is neither called nor used."""
    word = rf"\b{name}\b"
    is_around = re.search(word, before) is not None or re.search(word, after) is not None
    return is_around or re.search(rf"{word}(?!\s*[.(])", text) is not None


def _is_missing(name: str, text: str) -> bool:
    """Whether a name can only be that of a module that is not imported."""
    is_bound = re.search(rf"(?<![\w.]){name}\b(?![ \t]+import\b|\.)", text)
    return name in sys.stdlib_module_names and is_bound is None


def _imported(text: str) -> dict[str, str]:
    """Modules of the standard library by the name that the file gives them."""
    found: dict[str, str] = {}
    for match in _IMPORT.finditer(text):
        for entry in match[1].split(","):
            module, _, alias = (part.strip() for part in entry.partition(" as "))
            if module in sys.stdlib_module_names and _names(module):
                found[alias or module] = module
    return found


@cache
def _names(module: str) -> frozenset[str]:
    """The names in a module's stub; none where it cannot be read."""
    return frozenset(typeshed_client.get_stub_names(module) or ())
