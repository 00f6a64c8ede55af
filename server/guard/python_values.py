"""Python names that are wrong as a value, and safety switches that are set to off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from server.guard.finding import Severity
from server.guard.python_call import Blame, at
from server.guard.python_scene import Scene


@dataclass(frozen=True)
class ValueRule:
    """What is wrong with a value, whoever it is given to."""

    rule: str
    cwe: str
    severity: Severity
    message: str
    replacement: str | None
    """What to write for the last part of the name."""


_OLD_TLS = ValueRule(
    "S502", "CWE-327", "high", "This version of TLS is broken; use ssl.PROTOCOL_TLS_CLIENT.", None
)
_HASH = ValueRule(
    "S324", "CWE-328", "low", "This hash is broken for security; give sha256.", "sha256"
)
_VALUES: dict[str, ValueRule] = {
    "ssl.CERT_NONE": ValueRule(
        "certificate-check-off", "CWE-295", "high",
        "No certificate is asked for; use ssl.CERT_REQUIRED.", "CERT_REQUIRED",
    ),
    "ssl._create_unverified_context": ValueRule(
        "S323", "CWE-295", "high",
        "This accepts any certificate; use ssl.create_default_context.", "create_default_context",
    ),
    "paramiko.AutoAddPolicy": ValueRule(
        "S507", "CWE-295", "high",
        "This trusts any host key; load the known hosts and reject others.", "RejectPolicy",
    ),
    "Crypto.Cipher.AES.MODE_ECB": ValueRule(
        "S305", "CWE-327", "medium", "ECB shows which blocks are equal; use AES.MODE_GCM.", None
    ),
    "hashlib.md5": _HASH,
    "hashlib.sha1": _HASH,
    "ssl.PROTOCOL_SSLv2": _OLD_TLS,
    "ssl.PROTOCOL_SSLv3": _OLD_TLS,
    "ssl.PROTOCOL_TLSv1": _OLD_TLS,
    "ssl.PROTOCOL_TLSv1_1": _OLD_TLS,
}  # fmt: skip
_LASTS = frozenset(path.rsplit(".", 1)[1] for path in _VALUES)
_GIVEN = frozenset(
    {"argument_list", "keyword_argument", "return_statement", "tuple", "list", "pair", "assignment"}
    | {"default_parameter", "conditional_expression", "lambda"}
)
MODULES = frozenset(path.split(".", 1)[0] for path in _VALUES) | {"AES"}
_OFF = ValueRule(
    "certificate-check-off",
    "CWE-295",
    "high",
    "The check of the certificate is off; leave it on.",
    "True",
)
_CHECKED = re.compile(
    r"(?i)\.check_hostname$|(?:^|[._])\w*(?:session|client|sess|requests|conn|http|s)\.verify$"
)


def named_values(node: Node, scene: Scene) -> Iterator[tuple[ValueRule, Blame]]:
    """What is wrong with an attribute that is given or kept, not called."""
    last, above = node.child_by_field_name("attribute"), node.parent
    if last is None or above is None or scene.string(last) not in _LASTS:
        return
    if above.type not in _GIVEN or above.child_by_field_name("left") == node:
        return
    for path in scene.paths(node, MODULES):
        rule = _VALUES.get(path)
        if rule is not None:
            yield rule, at(last, rule.replacement)
            return


def switched_off(node: Node, scene: Scene) -> Iterator[tuple[ValueRule, Blame]]:
    """`session.verify = False`, `context.check_hostname = False`."""
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if left is None or right is None or left.type != "attribute" or right.type != "false":
        return
    if _CHECKED.search(scene.string(left)[-80:]):
        yield _OFF, at(right, _OFF.replacement)
