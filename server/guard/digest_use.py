"""What an MD5 or SHA-1 is for, by the words around it: whether another may take its place."""

from __future__ import annotations

import re

from server.guard.python_call import Call
from server.guard.python_function import function_around, target_of
from server.guard.python_scene import Scene

NEAR_CHARS = 120
_NO_SECURITY = re.compile(
    r"(?i)non-?security|\bnot?\b[^.\n]{0,30}\bsecurity|usedforsecurity[ \t]*=[ \t]*False|check_?sum"
    r"|(?:md5|sha1)sum|(?<![a-z])e_?tag(?![a-z])|fingerprint|\bcach(?:e|ing)|_cache|dedup|stable_?hash|\bshard"
)
_SECURITY = re.compile(
    r"(?i)passw|secret|token|\bauth|_auth|nonce|salt|sign(?:ed|ing|ature)|cookie|credential|\bpin\b"
)
_DIGEST = re.compile(r"\bhashlib\.(\w+)")
_END_OF_LINE = re.compile(r"[ \t]*(?:\n|\Z)")


def is_named(call: Call, scene: Scene) -> bool:
    """Whether the code around a call says the name that it calls: `md5_digest = hashlib.md5(...)`.

    Another one would make that untrue, and perhaps break a protocol.
    """
    return scene.string(call.last).lower() in _names_around(scene.above(call.node))


def keeps_digest(before: str, old: str, new: str) -> bool:
    """Whether `new`, behind `before`, calls no other digest than the one that is said there."""
    line = before.rfind("\n") + 1
    called = _DIGEST.search(before + old, line)
    if called is None or called[1] not in _names_around((before + old)[: called.start()]):
        return True
    return all(one[1] == called[1] for one in _DIGEST.finditer(before + new, line))


def for_no_security(call: Call, scene: Scene) -> str | None:
    """The call from its last name on, saying that it is for no security; None unless that is clear.

    Only where the digest is fixed: by its import, by the names around it, or by what the user has
    typed of it.
    """
    name = scene.string(call.last)
    typed = scene.text[call.last.start_byte : scene.start]
    is_imported = call.function.type == "identifier"
    is_fixed = is_imported or is_named(call, scene) or not "sha256".startswith(typed)
    here = function_around(scene.above(call.node))
    if here is None or not is_fixed or name not in ("md5", "sha1"):
        return None
    words = f"{here.name} {here.parameters} {here.body} {scene.below[:NEAR_CHARS]}"
    if _NO_SECURITY.search(words) is None or _SECURITY.search(words) is not None:
        return None
    given = _given(call, scene)
    return None if given is None else f"{name}({given}usedforsecurity=False)"


def _given(call: Call, scene: Scene) -> str | None:
    """The arguments of a call with a comma behind them; None where they are not complete."""
    inside = scene.written(call.last.end_byte, min(call.node.end_byte, scene.end)).strip()
    if call.node.end_byte > scene.end:  # its bracket is still open
        return "" if inside == "(" and _END_OF_LINE.match(scene.below) else None
    given = inside[1:-1].rstrip(", \n")
    return f"{given}, " if given else ""


def _names_around(above: str) -> str:
    """What the function and the value at the end of a text are called."""
    here = function_around(above)
    return f"{here.name if here is not None else ''} {target_of(above)}".lower()
