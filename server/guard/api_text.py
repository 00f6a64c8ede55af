"""What the words of a deprecation say: is it about the whole name, and what comes instead."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable

ABOUT_ARGUMENTS = re.compile(
    r"(?i)\b(?:arguments?|arg|kwargs?|parameters?|passing|keywords?|positional|options?"
    r"|default (?:value|of)|defaults? to|setting|specifying|providing|calling .{1,40} with(?:out)?"
    r"|usage of|values?|dtype|return type|will return|will change|behaviou?r|inputs?|when)\b|\w='\w"
)
_GOING = re.compile(
    r"(?i)deprecat|remov|obsolete|instead|no longer|renamed|superseded|replaced|favou?r|discourag"
    r"|legacy"
)
GONE = re.compile(r"(?i)deprecated|has been removed|was removed|no longer (?:supported|available)")
_NOT_A_NAME = {
    "the",
    "a",
    "an",
    "it",
    "this",
    "that",
    "instead",
    "python",
    "one",
    "of",
    "e.g",
    "i.e",
}
_ALIASES = {"np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot", "mpl": "matplotlib"}
_SUCCESSOR = re.compile(
    r"(?:\b[Uu]se|\b[Uu]sing|\b[Pp]refer|\b[Cc]all|in favou?r of|[Rr]eplaced (?:by|with)"
    r"|[Rr]enamed (?:to|as)|[Ss]uperseded by|[Mm]oved to|[Mm]igrate to|[Ss]witch to"
    r"|[Aa]lias (?:of|for))\s+"
    r"(?:of\s+)?(?:the\s+)?(?:new\s+)?(?:function\s+|method\s+|class\s+|property\s+)?"
    r"(?::[\w:]+:)?[\[`'\"~!]*([A-Za-z_][\w.]*\w)"
)
_ALTERNATIVE = re.compile(r"([A-Za-z_][\w.]*\w)[`'\"]*(?:\(\))?[`'\"]* (?:should be used|instead)")


def is_about_the_name(text: str) -> bool:
    """Whether a warning's text deprecates what gives it; an unknown text is given the benefit."""
    return not ABOUT_ARGUMENTS.search(text) and (not text or bool(_GOING.search(text)))


def successor(text: str, name: str, scope: str, is_beside: Callable[[str], bool]) -> str | None:
    """The full name that a text names as the successor of `scope`.`name`.

    is_beside: whether a name is defined in the same scope. None where the text names nothing that
    can be placed.
    """
    for match in (*_SUCCESSOR.finditer(text), *_ALTERNATIVE.finditer(text)):
        use = match[1].removesuffix("()").strip(".")
        if use.lower() in _NOT_A_NAME or use == name:
            continue
        placed = _placed(use, name, scope, is_beside)
        if placed is not None and placed != f"{scope}.{name}":
            return placed
    return None


def _placed(use: str, name: str, scope: str, is_beside: Callable[[str], bool]) -> str | None:
    head, _, rest = use.partition(".")
    if not rest:
        return f"{scope}.{use}" if is_beside(use) else None
    if head in _ALIASES:
        return f"{_ALIASES[head]}.{rest}"
    if head == scope.partition(".")[0]:
        return use
    last = use.rpartition(".")[2]
    owner = use.rpartition(".")[0].rpartition(".")[2]
    if owner == scope.rpartition(".")[2] and is_beside(last) and last != name:
        return f"{scope}.{last}"
    return use if head in sys.stdlib_module_names else None


def known_text(node: ast.expr, strings: dict[str, str]) -> str:
    """What is known of a string expression; holes are left out."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(known_text(value, strings) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return known_text(left, strings) + known_text(right, strings)
        case ast.BinOp(left=left, op=ast.Mod()):
            return known_text(left, strings)
        case ast.Call(func=ast.Attribute(value=value, attr="format" | "strip" | "lstrip")):
            return known_text(value, strings)
        case ast.Call(args=[first, *_]):
            return known_text(first, strings)
        case ast.Name(id=name):
            return strings.get(name, "")
        case _:
            return ""


def string_names(body: list[ast.stmt]) -> dict[str, str]:
    """The names that a body binds to texts."""
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = known_text(node.value, found)
            if text:
                found[node.targets[0].id] = text
    return found
