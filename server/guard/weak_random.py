"""Random numbers that someone could guess, where the words around them say that nobody may."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tree_sitter import Node

from server.guard.python_call import Call
from server.guard.python_scene import Scene, function_of

FUNCTIONS = frozenset(
    {"random", "randint", "randrange", "choice", "choices", "sample", "getrandbits", "uniform"}
    | {"randbytes", "shuffle"}
)
PLAIN = FUNCTIONS | {"Random", "triangular"}
"""What may be reported plainly: a generator too, which says nothing of what its numbers are for."""
REPORTS_PLAIN = True
"""Whether a random number is a minor finding where no word says what it is for: most are games,
samples and tests. CyberSecEval labels them all."""
MODULES = frozenset({"random", "numpy.random"})
_SECRET_WORDS = frozenset(
    {"token", "tokens", "secret", "secrets", "password", "passwords", "passwd", "passphrase", "pwd"}
    | {"nonce", "salt", "session", "sessionid", "otp", "totp", "pin", "apikey", "csrf", "xsrf"}
    | {"cookie", "credential", "credentials", "captcha", "crypto", "crypt", "encrypt", "decrypt"}
    | {"cipher", "auth", "oauth", "authentication", "iv", "privkey", "keypair", "security"}
)
_NAMING_WORDS = frozenset(
    {"key", "id", "uid", "uuid", "guid", "ident", "identifier", "code", "hash", "invite", "voucher"}
    | {
        "coupon",
        "login",
        "verification",
        "activation",
        "confirmation",
        "ticket",
        "secure",
        "serial",
    }
    | {"signature", "challenge", "unique", "port", "ports", "portspec", "filename", "username"}
    | {"email", "mac", "boundary"}
)
_TEXT_WORDS = frozenset({"string", "str", "text", "chars", "letters", "hex", "bytes", "name"})
_NO_SECRET = re.compile(r"(?i)seed|shuffl|jitter|backoff|sleep|delay|noise|augment|weights?\b")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAME = re.compile(r"\b[A-Za-z_]\w*")
_TEXTS = re.compile(r"""(?s)(?P<q>["']).*?(?P=q)""")
_ALPHABET = re.compile(
    r"string\.(?:ascii|letters|digits|printable|hexdigits|lowercase|uppercase|punctuation)"
    r"|(?i:\b(?:alphabet|char(?:s|set)?|letters|hex_?digits|alphanum\w*)\b)"
    r"""|["'](?=[A-Za-z]*[0-9]|[0-9]*[A-Za-z])[A-Za-z0-9]{16,}["']"""
)
_SIMPLE = frozenset(
    {"expression_statement", "return_statement", "assignment", "print_statement", "raise_statement"}
)
_HEADED = frozenset({"if_statement", "for_statement", "while_statement", "with_statement"})


@dataclass(frozen=True)
class Guessable:
    """Why a random number should not be guessable."""

    reason: str
    severity: Literal["low", "medium"]


def guessable(call: Call, path: str, scene: Scene) -> Guessable | None:
    """What the random number at a call is for, where that is something nobody may guess."""
    found = _meant(call, path, scene)
    if found is None and REPORTS_PLAIN and path.startswith("random."):
        is_one = path.rpartition(".")[2] in PLAIN
        return Guessable("what nobody may know", "low") if is_one else None
    return found


def _meant(call: Call, path: str, scene: Scene) -> Guessable | None:
    module, _, function = path.rpartition(".")
    if module not in MODULES or function not in FUNCTIONS:
        return None
    statement = _statement(call.node)
    text = scene.string(statement)[:600]
    owner = function_of(call.node)
    name = owner.child_by_field_name("name") if owner is not None else None
    heading = scene.string(name) if name is not None else ""
    words = _words(_TEXTS.sub(" ", text)) | _words(heading) | _words(_class_name(owner, scene))
    secret = words & _SECRET_WORDS
    if secret:
        return Guessable(f"'{min(secret)}'", "medium")
    if _NO_SECRET.search(text + heading):
        return None
    if function in ("choice", "choices", "sample") and _ALPHABET.search(scene.string(call.node)):
        return Guessable("text of random characters", "low")
    target = text.split("=", 1)[0] if "=" in text else ""
    named = (_words(target[:120]) | _words(heading)) & _NAMING_WORDS
    named |= _words(heading) & _TEXT_WORDS if function != "shuffle" else set()
    if named and function not in ("shuffle", "uniform"):
        return Guessable(f"'{min(named)}'", "low")
    return None


def unguessable(call: Call, path: str, scene: Scene) -> str | None:
    """What to write for the called name: the same function of a generator nobody can guess."""
    module, _, function = path.rpartition(".")
    names = scene.imports.names
    is_usual = module == "random" and names.get("random") == "random"
    if not is_usual or call.function.type != "attribute" or function == "randbytes":
        return None
    same = {"choice": "choice", "getrandbits": "randbits"}.get(function)
    if same is not None and names.get("secrets") == "secrets":
        return f"secrets.{same}"
    return f"random.SystemRandom().{function}"


def _words(text: str) -> set[str]:
    """The words of the names in `text`: `session_key` and `sessionKey` are both two."""
    names = _NAME.findall(text)
    return {word.lower() for name in names for word in (*_WORD.findall(name), name)}


def _statement(node: Node) -> Node:
    """The statement that a call stands in: of an `if` or `for` only the condition."""
    at = node
    while at.parent is not None and at.type not in _SIMPLE and at.parent.type not in _HEADED:
        if at.parent.type in ("block", "module"):
            break
        at = at.parent
    return at


def _class_name(function: Node | None, scene: Scene) -> str:
    above = function.parent if function is not None else None
    while above is not None and above.type != "class_definition":
        above = above.parent
    name = above.child_by_field_name("name") if above is not None else None
    return scene.string(name) if name is not None else ""
