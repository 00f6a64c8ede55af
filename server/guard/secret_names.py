"""Judges by a name whether what it holds is a secret: `db_password` does, `password_field` not."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache


class Strength(IntEnum):
    """How surely something so called holds a secret."""

    NONE = 0
    WEAK = 1
    """A key, nonce or session: only a value that is plainly random counts."""
    TOKEN = 2
    """A token, key of a service or secret: made by a machine as a rule."""
    PASSWORD = 3
    """Chosen by a person: may be short and pronounceable."""


_PASSWORD = re.compile(
    r"pass(?:word|wd|wort|phrase|code)|(?:^|[^a-z])(?:pass|pwd|psw|pswd|pw|psk)(?:$|[^a-z])"
    r"|pwd$|passwd|passw$|(?:user|db|my|root|admin|smtp|mail|pg|ssh|ftp|login|http|proxy)_?pass$"
)
_TOKEN = re.compile(
    r"secret|credential|(?:api|app|access|auth|private|signing|encrypt(?:ion)?|service|account|db"
    r"|database|client|priv|master|session|shared|storage|licen[cs]e|deploy|webhook|hmac|jwt|stripe"
    r"|sendgrid|bot|consumer|owner|security|subscription|maps|integration|ingest|write|admin|hawk)"
    r"[-_. ]?keys?$"
    r"|(?:api|access|secret|private|consumer)[-_. ]?key|token(?!i[sz])"
    r"|connection[-_]?string|bearer|nonce|(?:oauth|code|pkce)[-_]?verifier$"
)
_WEAK = re.compile(
    r"key$|(?:^|[^a-z])auth(?:orization)?(?:$|[-_])|signature$|salt$|session(?:[-_ ]?id)?$"
    r"|cookie$|(?:^|[^a-z])jwt(?:$|[^a-z])|(?:^|[-_])otp$|credentials?$|(?:^|[^a-z])sid$"
)
_OTHER_THING = re.compile(
    r"(?:name|field|header|url|uri|path|file|filename|dir|directory|folder|id|ids|type|prefix|suffix"
    r"|label|regexp?|pattern|re|format|fmt|column|length|len|min|max|size|count|policy|error|err"
    r"|message|msg|text|title|prompt|hint|help|desc(?:ription)?|endpoint|arn|ttl|expiry|expires"
    r"|expiration|algorithm|alg|hash|digest|checksum|sha\d*|md5|salted|version|scope|role|class|cls"
    r"|input|form|selector|placeholder|reset|changed?|validator|module|public[-_]?key|pub[-_]?key"
    r"|key[-_]?name|env|var|param|location|usage|mode|status|strategy|provider|kind|encryption"
    r"|manager|store|factory|service|handler|helper|util|parser|reader|storage|backend|view|page"
    r"|screen|dialog|button|required|enabled|strength|score|rules?|method|grant|issuer|audience"
    r"|verb|icon|color|state|event|action|command|option|flag|schema|model|table|index|link|email|variant"
    r"|template|subject|body|request|response|exception|test|tests|spec|suite|map|dict|list|array"
    r"|char|chars|code|codes|code[-_]?challenge|position|offset|lifetime|timeout|interval|date|time)"
    r"s?$"
)
_OTHER_BEFORE = re.compile(
    r"(?:^|[-_.])(?:forgot|reset|change|verify|confirm|toggle|show|hide|has|is|no|without|invalid"
    r"|wrong|missing|bad|csrf|xsrf|authenticity|antiforgery|verification|next|continuation|page|public|pub|primary|foreign|sort|partition"
    r"|hash|cache|group|object|i18n|translation|message|lexer|parser|syntax|punctuation|keyword)"
    r"[-_]?(?:pass|key|token|secret|auth)"
)
_HASH = re.compile(
    r"hash|digest|checksum|sha\d*|md5|etag|commit|integrity|fingerprint|revision|(?:^|_)rev$"
)
_EDGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=4096)
def strength(name: str) -> Strength:
    """How surely the value of `name` is a secret; only the part after the last dot counts."""
    plain = _EDGE.sub("_", name.rstrip(".-_").rsplit(".", 1)[-1]).lower().rstrip("0123456789_-")
    if not plain or _OTHER_THING.search(plain) or _OTHER_BEFORE.search(plain):
        return Strength.NONE
    if _PASSWORD.search(plain):
        return Strength.PASSWORD
    if _TOKEN.search(plain):
        return Strength.TOKEN
    return Strength.WEAK if _WEAK.search(plain) else Strength.NONE


def names_a_hash(name: str) -> bool:
    """Whether something called `name` holds a digest, which looks random and is none."""
    return bool(_HASH.search(name.lower()))
