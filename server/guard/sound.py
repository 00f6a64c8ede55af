"""Whether another way on may stand in place of what was flagged: not clean by being senseless."""

from __future__ import annotations

import re

from server.guard.digest_use import keeps_digest
from server.guard.finding import Case
from server.guard.fragment import closing, parses
from server.guard.languages import family
from server.guard.real_names import calls_known_names, says_real_names

MOST_PARSED_CHARS = 20_000
MOST_CALL_CHARS = 2_000
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))#.*$")
_READS = re.compile(r"\b(\w+)\.loads?\b")
_VALUE = re.compile(r"(\w+)[ \t]*=[ \t]*(\w*)\Z")
_IMPORT = re.compile(r"[ \t]*(?:from|import)[ \t]+(\w+)")
_NO_FILE = re.compile(r"\bmk[ds]temp\([^()\n]*(?:\)(?!\[1\]| \+)|$)", re.M)
_OFF = ("False", "None", "0")


def is_sound(case: Case, text: str) -> bool:
    """Whether `text` breaks nothing that the case's suggestion left whole, and still says as much.

    The file parses if it did; the names that it says exist; code does not become a comment, reading
    not writing, an import not another, a file not a folder, a digest not what its name denies; and
    what was switched on at the cursor is off, not something that counts as on.
    """
    if family(case.language) != "python":
        return True
    line = case.prefix[case.prefix.rfind("\n") + 1 :]
    return (
        (not parses_in_place(case, case.suggestion) or parses_in_place(case, text))
        and says_real_names(case.prefix, text)
        and calls_known_names(case.prefix, text, case.suffix)
        and (_says_code(text) or not _says_code(case.suggestion))
        and not _writes_instead(line + case.suggestion, line + text)
        and not _imports_instead(line + case.suggestion, line + text)
        and not _names_no_file(line + case.suggestion, line + text)
        and keeps_digest(case.prefix, case.suggestion, text)
        and _is_switched_off(case.prefix[-MOST_CALL_CHARS:], case.suggestion, text)
    )


def parses_in_place(case: Case, text: str) -> bool:
    """Whether the file up to the suggestion's last line is syntax; what we cannot read is."""
    if family(case.language) != "python" or len(text) > MOST_PARSED_CHARS:
        return True
    before = case.prefix[-MOST_PARSED_CHARS:]
    whole = before[before.find("\n") + 1 if len(before) < len(case.prefix) else 0 :]
    whole += text + case.suffix[:500].split("\n", 1)[0]
    return parses(whole + closing(whole))


def _says_code(text: str) -> bool:
    return bool(_COMMENT.sub("", text).strip())


def _writes_instead(old: str, new: str) -> bool:
    """Whether `pickle.load` has become `pickle.dump`."""
    return any(
        re.search(rf"\b{module}\.dumps?\b", new) and not re.search(rf"\b{module}\.load", new)
        for module in _READS.findall(old)
    )


def _imports_instead(old: str, new: str) -> bool:
    """Whether an import has become one of something else."""
    before, after = _IMPORT.match(old), _IMPORT.match(new)
    return before is not None and after is not None and before[1] != after[1]


def _names_no_file(old: str, new: str) -> bool:
    """Whether the name of a file has become a folder, or a handle and a name."""
    return "mktemp(" in old and _NO_FILE.search(new) is not None


def _is_switched_off(before: str, old: str, new: str) -> bool:
    """Whether a keyword argument that the user has begun is off, if it was on: `shell=`.

    Without a shell a command has to be a list.
    """
    match = _VALUE.search(before)
    if match is None:
        return True
    was, now = (re.match(r"\w*", match[2] + text) for text in (old, new))
    if was is None or now is None or was[0] not in ("True", "1") or now[0] == was[0]:
        return True
    return now[0] in _OFF and (match[1] != "shell" or _has_list(before))


def _has_list(before: str) -> bool:
    """Whether the first argument of the call that is open at the end of a text is a list."""
    depth, at = 0, len(before)
    while at > 0 and depth >= 0:
        at -= 1
        depth += (before[at] in ")]}") - (before[at] in "([{")
    first = re.match(r"\s*(?:args\s*=\s*)?(\[|\w+)", before[at + 1 :])
    if depth >= 0 or first is None:
        return False
    is_bound = re.search(rf"(?m)^[ \t]*{re.escape(first[1])}[ \t]*=[ \t]*\[", before)
    return first[1] == "[" or is_bound is not None
