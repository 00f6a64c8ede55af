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
# APOP (RFC 1939) and the UUIDs of RFC 9562 are made with one digest and no other.
_SAID = {
    "md5": re.compile(r"md5|(?<![a-z])(?:apop|uuid_?3)(?![a-z0-9])"),
    "sha1": re.compile(r"sha1(?!\d)|(?<![a-z])(?:sha|uuid_?5)(?![a-z0-9])"),
}
_BRANCH = re.compile(r"\n[ \t]*(?:el)?if\b([^\n]{1,200}):[ \t]*\n[^\n]*\Z")
_READS_FILE = re.compile(r"\bopen\([^\n]*[\"']r?b[\"']|\.read_bytes\(\)")
_END_OF_LINE = re.compile(r"[ \t]*(?:\n|\Z)")


def is_named(call: Call, scene: Scene) -> bool:
    """Whether the code around a call says MD5 or SHA-1: `md5_digest = hashlib.md5(...)`.

    Another one would make that untrue, and perhaps break a protocol.
    """
    return bool(_said(scene.above(call.node)))


def keeps_digest(before: str, old: str, new: str) -> bool:
    """Whether `new`, behind `before`, calls no other digest than the one that is said there."""
    line = before.rfind("\n") + 1
    called = _DIGEST.search(before + old, line)
    said = _said((before + old)[: called.start()]) if called is not None else []
    return not said or all(one[1] in said for one in _DIGEST.finditer(before + new, line))


def for_no_security(call: Call, scene: Scene) -> str | None:
    """The call from its last name on, saying that it is for no security; None unless that is clear.

    Only where the digest is fixed: by its import, by the names around it, or by what the user has
    typed of it. One that is named and is that of a file tells whether the file has changed.
    """
    name = scene.string(call.last)
    typed = scene.text[call.last.start_byte : scene.start]
    is_imported = call.function.type == "identifier"
    above = scene.above(call.node)
    is_said = name in _said(above)
    is_fixed = is_imported or is_said or not "sha256".startswith(typed)
    here = function_around(above)
    if here is None or not is_fixed or name not in ("md5", "sha1"):
        return None
    given = _given(call, scene)
    if given is None:
        return None
    words = f"{here.name} {here.parameters} {here.body} {scene.below[:NEAR_CHARS]}"
    is_plain = _NO_SECURITY.search(words) is not None and _SECURITY.search(words) is None
    is_of_file = is_said and _READS_FILE.search(here.body) is not None
    if is_of_file and _SECURITY.search(f"{here.name} {target_of(above)} {given}") is None:
        is_plain = True
    return f"{name}({given}usedforsecurity=False)" if is_plain else None


def _given(call: Call, scene: Scene) -> str | None:
    """The arguments of a call with a comma behind them; None where they are not complete."""
    inside = scene.written(call.last.end_byte, min(call.node.end_byte, scene.end)).strip()
    if call.node.end_byte > scene.end:  # its bracket is still open
        return "" if inside == "(" and _END_OF_LINE.match(scene.below) else None
    given = inside[1:-1].rstrip(", \n")
    return f"{given}, " if given else ""


def _said(above: str) -> list[str]:
    """The digests in the names of the function and the value at the end of a text, or its branch.

    A branch is a line above that asks: `if algorithm == "SHA":`.
    """
    here, branch = function_around(above), _BRANCH.search(above)
    names = f"{here.name if here is not None else ''} {target_of(above)}"
    names += f" {branch[1]}" if branch is not None else ""
    return [digest for digest, pattern in _SAID.items() if pattern.search(names.lower())]
