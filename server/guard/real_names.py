"""Whether what a text says of the standard library's modules exists: `hashlib.sha257` does not."""

from __future__ import annotations

import re
import sys
from functools import cache

import typeshed_client

_IMPORT = re.compile(r"(?m)^[ \t]*import[ \t]+([^\n#;]+)")
_MEMBER = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\.([A-Za-z_]\w*)")


def says_real_names(before: str, text: str) -> bool:
    """Whether each `module.name` of a Python `text`, which may go on a word of `before`, exists.

    Only of modules of the standard library that are imported by their own name, or as another. A
    name that is cut off at the end of the text counts if some name begins like it.
    """
    line = before[before.rfind("\n") + 1 :]
    modules = _imported(before + text)
    whole = line + text
    for match in _MEMBER.finditer(whole):
        module = modules.get(match[1])
        if module is None or match.end() <= len(line) or match[2].startswith("__"):
            continue
        known = _names(module)
        is_open = match.end() == len(whole)
        if not any(match[2] == name or (is_open and name.startswith(match[2])) for name in known):
            return False
    return True


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
