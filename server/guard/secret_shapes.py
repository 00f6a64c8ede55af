"""Recognises values that are no secrets: placeholders, templates, paths, versions, text."""

from __future__ import annotations

import re
from itertools import pairwise

_PLACEHOLDER_WORDS = re.compile(
    r"example|sample|dummy|fake|changeme|change[-_ ]?(?:me|this|it)|replace|redacted|placeholder"
    r"|your[-_ ]?|insert|todo|fixme|foo(?:bar|$)|(?:^|[^a-z])bar(?:$|[^a-z])|lorem|hunter2|qwert"
    r"|abc123|123456|abcdef|deadbeef|xxxx|\.\.\.|none|null|undefined|not[-_ ]?set"
    r"|secret[-_]?(?:here|key$)|here$"
    r"|(?:^|[-_ .:/])(?:my|the|some|a|an|test|mock|stub|default|any)[-_ ]"
    r"|(?:^|[^a-z])test|testing|unittest|pytest|^token$|pass[-_]?word|passwd|^pass(?:\d|$)"
    r"|^secret\W?\d*$|(?:^|[^a-z])(?:in)?valid(?:$|[^a-z])|^wrong|(?:^|[^a-z])secret$"
)
_MARKED = re.compile(
    r"example|sample|dummy|fake|redacted|placeholder|your|xxxx|here$|\*{3}|0{12}|#{6}|123456789"
    r"|\.\.\."
)
_TEMPLATE = re.compile(
    r"\$\{|\$\(|\{\{|%\(|%[sdrvqw](?:$|[^a-zA-Z0-9])|^<.*>$|^\{.*\}$|^\[.*\]$|^\$[A-Za-z_]\w*$"
    r"|<[\w -]*(?:key|token|pass|secret|your|name|user|id|value|host)[\w -]*>|^%\w+%$|\{\w*\}"
    r"|^env[:.]|^@[A-Za-z]|#\{|\(\)|^!"
)
_PATHLIKE = re.compile(
    r"^(?:[a-z][\w+.-]*:)?//|^[~.]?/|^\.\.?/|^[A-Za-z]:\\|^[\w.-]+(?:/[\w.{}<>:-]+)+/?$"
    r"|\.(?:py|js|ts|go|rb|java|cs|php|json|ya?ml|txt|md|pem|key|crt|cer|p12|pfx|jks|html?|css"
    r"|png|jpe?g|svg|toml|ini|cfg|conf|xml|env|log|sh|com|org|net|io|dev)$"
)
_DATE_OR_VERSION = re.compile(r"v?\d+(?:[.\-_/:T ]\d+)*[a-zA-Z]{0,3}\d*")
_REGEX_OR_RANGE = re.compile(
    r"\[\^?\\?\w-\\?\w|\\[wdsbWDSB.(\[]|\.[*+]|\(\?|[<>~^=!]=\s?v?\d|[^\w]\|[^\w]"
)
_CONTROL_OR_WIDE = re.compile(r"[^ -~]")
_SPACE = re.compile(r"\s|\\[nrt](?!$)")


def is_placeholder(value: str) -> bool:
    """Whether `value` says itself that it is none: an example, a template, the same few letters."""
    lowered = value.lower()
    if len(set(lowered)) < min(5, (len(lowered) + 2) // 2) or is_filling(lowered):
        return True
    return bool(_MARKED.search(lowered) or _TEMPLATE.search(value))


def is_ordinary(value: str) -> bool:
    """Whether `value` is text, a path, a template, a version or a placeholder."""
    lowered = value.lower()
    return bool(
        _SPACE.search(value.strip())
        or _CONTROL_OR_WIDE.search(value)
        or is_placeholder(value)
        or _PLACEHOLDER_WORDS.search(lowered)
        or _REGEX_OR_RANGE.search(value)
        or _PATHLIKE.search(value)
        or _DATE_OR_VERSION.fullmatch(value)
        or is_sequence(lowered)
    )


def is_filling(value: str) -> bool:
    """Whether a longer value repeats itself or its letters: `acde08acde08`, `aaaa1111bbbb`."""
    if len(value) < 12:
        return False
    period = (value + value).find(value[: len(value) // 2], 1)
    equal = sum(a == b for a, b in pairwise(value))
    return period <= len(value) // 2 or equal * 3 > len(value)


def is_sequence(lowered: str) -> bool:
    """Whether a value walks along the alphabet or the digits: `abcdef123456`."""
    steps = sum(ord(b) - ord(a) == 1 for a, b in pairwise(lowered))
    return steps * 2 >= len(lowered)
