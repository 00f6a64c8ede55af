"""Judges whether a value could be a real secret, and whether a name says that it holds one."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import as_file, files
from itertools import pairwise
from typing import Protocol, cast

MOST_VALUE_CHARS = 512
"""Longer values are data, not secrets; the provider formats judge them by themselves."""

_PLACEHOLDER_WORDS = re.compile(
    r"example|sample|dummy|fake|changeme|change[-_ ]?(?:me|this|it)|replace|redacted|placeholder"
    r"|your[-_ ]?|insert|todo|fixme|foo(?:bar|$)|(?:^|[^a-z])bar(?:$|[^a-z])|lorem|hunter2|qwert"
    r"|letmein|abc123|123456|abcdef|deadbeef|xxxx|\.\.\.|<|>|none|null|undefined|not[-_ ]?set"
    r"|secret[-_]?(?:here|key$)|here$"
    r"|(?:^|[-_ .:/])(?:my|the|some|a|an|test|mock|stub|default|any)[-_ ]"
    r"|(?:^|[^a-z])test|testing|unittest|pytest|^token$|pass[-_]?word|passwd|^pass(?:\d|$)"
    r"|^secret\W?\d*$"
)
_MARKED = re.compile(
    r"example|sample|dummy|fake|redacted|placeholder|your|xxxx|here$|\*{3}|0{12}|#{6}"
)
_TEMPLATE = re.compile(
    r"\$\{|\$\(|\{\{|%\(|%[sdr]|<[\w .-]+>|^\{.*\}$|^\[.*\]$|^\$[A-Za-z_]\w*$|^%\w+%$|\{\w*\}"
    r"|^env[:.]|^@"
)
_PATHLIKE = re.compile(
    r"^(?:[a-z][\w+.-]*:)?//|^[~.]?/|^\.\.?/|^[A-Za-z]:\\|^[\w.-]+(?:/[\w.{}<>:-]+)+/?$"
    r"|\.(?:py|js|ts|json|ya?ml|txt|md|pem|key|crt|html?|css|png|jpe?g|toml|ini|cfg|xml"
    r"|com|org|net|io)$"
)
_WORDS = re.compile(r"[A-Za-z]+(?:[-_.:/ ]+[A-Za-z]+)*")
_IDENTIFIER = re.compile(
    r"[A-Za-z_$]\w*(?:(?:\.|::|->|\[)[\w\]]+)+\(?\)?|[A-Z][A-Z_]+|[a-z_]+(?:_[a-z]+)+"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+")
_DATE_OR_VERSION = re.compile(r"v?\d+(?:[.\-_/:T ]\d+)*[a-zA-Z]{0,3}\d*")

_STRONG_NAME = re.compile(
    r"(?i)pass(?:word|wd|phrase|code)|(?:^|[^a-z])(?:pass|pwd|psw)(?:$|[^a-z])|passwd|pwd$|secret"
    r"|credential|api[-_]?key|(?:auth|access|private|signing|encrypt(?:ion)?|service|account|db"
    r"|database|client|priv|master|session|shared|storage|licen[cs]e|deploy|webhook|hmac|jwt|stripe"
    r"|sendgrid|bot)[-_]?(?:key|token)|(?:^|[^a-z])tokens?$|(?<=[a-z])Token$|_token$"
    r"|connection[-_]?string|(?:database|db|redis|broker)[-_]?(?:url|uri|dsn)"
)
_PASSWORD_NAME = re.compile(
    r"(?i)pass(?:word|wd|phrase|code)|(?:^|[^a-z])(?:pass|pwd)(?:$|[^a-z])|pwd$"
)
_OTHER_THING = re.compile(
    r"(?i)(?:name|field|header|url|uri|path|file|filename|dir|id|type|prefix|suffix|label|regex"
    r"|pattern|re|format|fmt|column|length|len|min|max|size|count|policy|error|message|msg|text"
    r"|title|prompt|hint|help|desc(?:ription)?|endpoint|arn|ttl|expiry|expires|algorithm|alg|hash"
    r"|digest|checksum|sha\d*|md5|salted|version|scope|role|class|cls|input|form|selector"
    r"|placeholder|reset|changed?|validator|module|public[-_]?key|key[-_]?name|env|var|param"
    r"|location|usage|mode|status|strategy|provider|kind|encryption)s?$"
)
_HASH_NAME = re.compile(
    r"(?i)hash|digest|checksum|sha\d*|md5|etag|commit|integrity|fingerprint|revision|(?:^|_)rev$"
)


class _Gibberish(Protocol):
    def is_gibberish(self, text: str) -> bool: ...


def is_placeholder(value: str) -> bool:
    """Whether `value` says itself that it is none: an example, a template, the same few letters."""
    lowered = value.lower()
    return bool(_MARKED.search(lowered)) or len(set(lowered)) < 5 or bool(_TEMPLATE.search(value))


def names_a_secret(name: str) -> bool:
    """Whether something called `name` holds a secret itself, not its length, field or address."""
    return bool(_STRONG_NAME.search(name)) and not _OTHER_THING.search(name)


def names_a_hash(name: str) -> bool:
    """Whether something called `name` holds a digest, which looks random and is none."""
    return bool(_HASH_NAME.search(name))


def could_be_secret(value: str, name: str) -> bool:
    """Whether `value`, held by something whose name says secret, is a real one."""
    if not 6 <= len(value) <= MOST_VALUE_CHARS or is_ordinary(value):
        return False
    lowered = value.lower()
    if name and lowered in name.lower().replace("-", "_"):
        return False
    has_digit = any(c.isdigit() for c in value)
    has_letter = any(c.isalpha() for c in value)
    if not has_letter:
        return False
    if _UUID.fullmatch(value) or _HEX.fullmatch(value):
        return len(value) >= 16 and has_digit and len(set(lowered)) >= 6
    if has_digit:
        return len(value) >= 8 or (bool(_PASSWORD_NAME.search(name)) and _symbols(value) > 0)
    if not _WORDS.fullmatch(value):
        return len(value) >= 8 and is_gibberish(value)
    return (
        len(value) >= 8
        and " " not in value
        and is_gibberish(value)
        and not _IDENTIFIER.fullmatch(value)
    )


def is_ordinary(value: str) -> bool:
    """Whether `value` is text, a path, a template, a version or a placeholder."""
    lowered = value.lower()
    return bool(
        any(c.isspace() for c in value.strip())
        or is_placeholder(value)
        or _PLACEHOLDER_WORDS.search(lowered)
        or _PATHLIKE.search(value)
        or _DATE_OR_VERSION.fullmatch(value)
        or is_sequence(lowered)
        or any(ord(c) < 32 or ord(c) > 126 for c in value)
    )


def is_sequence(lowered: str) -> bool:
    """Whether a value walks along the alphabet or the digits: `abcdef123456`."""
    steps = sum(ord(b) - ord(a) == 1 for a, b in pairwise(lowered))
    return steps * 2 >= len(lowered)


def is_gibberish(value: str) -> bool:
    """Whether detect-secrets' letter model finds `value` unlike words (hexadecimal always is)."""
    if _HEX.fullmatch(value) or _UUID.fullmatch(value):
        return True
    return _letter_model().is_gibberish(value.lower())


def _symbols(value: str) -> int:
    return sum(not c.isalnum() and c not in "-_. " for c in value)


@cache
def _letter_model() -> _Gibberish:
    # detect-secrets' own filter reads a process-wide settings object at each call: use its parts.
    from detect_secrets.filters import gibberish
    from gibberish_detector import serializer  # pyright: ignore[reportMissingTypeStubs]
    from gibberish_detector.detector import Detector  # pyright: ignore[reportMissingTypeStubs]

    with as_file(files(gibberish).joinpath("rfc.model")) as path:
        model = serializer.deserialize(path.read_text(encoding="utf-8"))  # pyright: ignore
    return cast(_Gibberish, Detector(model=model, threshold=3.7))  # pyright: ignore
