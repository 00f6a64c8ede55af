"""Whether a Python suggestion is worth a syntax tree: a look at its words and at its imports."""

from __future__ import annotations

from functools import cache

from server.guard.call_conditions import CONDITIONS
from server.guard.finding import Case
from server.guard.import_table import settled
from server.guard.python_calls import calls_by_name
from server.guard.trigger import BEFORE_CHARS, worth_a_look, worth_by_name

_HAS_WORD = worth_a_look(
    r"\beval|\bexec(?:\b|file|ut|_c|[lv])|[^.]compile\(|__import__|Interactive|\binteract\(|run_string"
    r"|subinterp|timeit|Timer\(|[pP]rofile\.run|system\(|popen|get(?:status)?output|subprocess|Popen"
    r"|check_(?:call|output)|shell|os\.spawn|pty\.|pexpect|[pP]ickle|shelve|\bdill|joblib|marshal"
    r"|yaml|torch\.load|allow_pickle|md[245]|\bsha(?:1|\b)|\bMD[245]|\bSHA(?:1|\b)|\bcrypt|des_|nthash"
    r"|lmhash|\bDES|ARC[24]|Blowfish|CAST|IDEA|ECB|pyDes|mktemp|tempnam|tmpnam|ssl|CERT_NONE|PROTOCOL_|_unverified_context|verify|check_hostname"
    r"|Template|template_s|from_string|Markup|mark_safe|Safe(?:String|Text)|AutoAddP|WarningPolicy"
    r"|random\.|\brand\w*\(|\bchoices?\(|\bsample\(|\b(?:local|sudo|run)\(|random import"
    r"|\.(?:raw|query|sql|text|fetch\w*|mogrify)\(|RawSQL"
    r"|[\"'][ \t\n\\]*(?i:select|insert\s+(?:or\s+\w+\s+)?into|update\s+\S+\s+set|delete\s+from"
    r"|replace\s+into|drop\s+\w+|create\s+(?:table|view|index|user|role|database)|alter\s+table)\b"
)
# What is wrong only with an argument whose word is looked for.
_SEEN_BY_ARGUMENT = frozenset(
    CONDITIONS[name] for name in ("shell", "unsigned", "allow_pickle=True", "weights_only=False")
)


def _is_watched(name: str, path: str) -> bool:
    """Whether a call that the table knows under `path` has no word of ours as `name`."""
    path = settled(path)
    return any(
        not _HAS_WORD(f" {name}{known[len(path) :]}(")
        for known in _calls().get(path.partition(".")[0], ())
        if known == path or known.startswith(f"{path}.")
    )


@cache
def _calls() -> dict[str, list[str]]:
    """The full names of the calls that need no argument with a word of its own, by their root."""
    found = dict[str, list[str]]()
    for name, rules in calls_by_name().items():
        if any(rule.condition not in _SEEN_BY_ARGUMENT for rule in rules):
            found.setdefault(name.partition(".")[0], []).append(name)
    return found


_SAYS_NAME = worth_by_name(_is_watched)


def worth_parsing(case: Case) -> bool:
    """Whether some rule could have something to say about the suggestion."""
    near = case.prefix[-BEFORE_CHARS:] + case.suggestion
    return _HAS_WORD(near) or _SAYS_NAME(case, near)
