"""Whether ruff could see something in a suggestion: asking it takes a millisecond, this does not.

By the words that the rules we leave to ruff are about, and by the names that imports give to what
they are about. A literal that is written in pieces ("0.0." "0.0") is not seen.
"""

from __future__ import annotations

import re

from server.guard.finding import Case
from server.guard.trigger import BEFORE_CHARS, worth_a_look, worth_by_name

AFTER_CHARS = 100
"""Of the line behind the cursor."""
_HAS_WORD = worth_a_look(
    r"chmod|0\.0\.0\.0|[\"'}\n]/(?:var/)?tmp|[\"'}\n]/dev/shm|debug\s*=\s*True|extractall"
    r"|mark_safe|telnetlib|Telnet|ftplib|FTP|wrap_socket|PROTOCOL_|_METHOD|generate_private_key"
    r"|UsmUserData|CommunityData|extra\s*\(|RawSQL|listen\s*\(|Environment\s*\(|mako\."
)
_WATCHED = re.compile(
    r"(?:telnetlib|ftplib|mako|Crypto(?:dome)?\.PublicKey|pysnmp)\b"
    r"|cryptography\.hazmat\.primitives\.asymmetric\b|logging\.config\.listen$"
    r"|.*\.(?:chmod|mark_safe|wrap_socket|RawSQL|Environment)$"
)
_SAYS_NAME = worth_by_name(lambda _, path: _WATCHED.match(path) is not None)


def ruff_may_see(case: Case) -> bool:
    """Whether a rule of ruff's could have something to say about the suggestion."""
    rest = case.suffix[:AFTER_CHARS].split("\n", 1)[0]
    near = case.prefix[-BEFORE_CHARS:] + case.suggestion + rest
    return _HAS_WORD(near) or _SAYS_NAME(case, near)
