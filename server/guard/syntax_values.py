"""Where a value comes from: written in the code, joined from parts, or handed in by somebody."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from enum import IntEnum
from importlib.resources import files

from tree_sitter import Node

from server.guard.syntax_window import Window

_TYPES: dict[str, list[str]] = tomllib.loads(
    files("server.guard").joinpath("syntax_values.toml").read_text(encoding="utf-8")
)
_FIXED, _TEXTS, _INSIDE = (frozenset(_TYPES[kind]) for kind in ("fixed", "texts", "inside"))
_NAMES, _CALLS = (frozenset(_TYPES[kind]) for kind in ("names", "calls"))
_MEMBERS, _CREATIONS = (frozenset(_TYPES[kind]) for kind in ("members", "creations"))
MOST_STEPS = 40
"""Expressions looked at for one value; assignments are followed through the lines above."""
_CONSTANT = re.compile(
    r"^(?!.{0,60}\benv\.)(?:(?:[\w.:]{1,60}[.:])?[A-Z][A-Z0-9_]{1,60}|__(?:dirname|filename|DIR__|FILE__|LINE__)"
    r"|(?:\w{1,60}\.)?\w{0,40}(?:Const|Consts|Constants|Resources|Strings)\.\w{1,60}|__\w+__)$"
)
_JOINS = re.compile(
    r"(?i)(?:^|[.:>\\])(?:s?v?n?printf|sprintf[fs]?|format!?|concat|join|implode|formatted|append"
    r"|replace|toString|c_str|interpolate|strtr|vsprintf|Errorf|fmt)$"
)
# These join what they are called on; the others are called on a class or a package.
_OF_RECEIVER = re.compile(
    r"(?i)[\w)\]\"'](?<!path)(?<!string)(?<!strings)(?:\.|->)(?:concat|join|formatted|append|replace|toString|c_str)$"
)
INPUT = re.compile(
    r"\$_(?:GET|POST|REQUEST|COOKIE|SERVER|FILES)\b|\b[rR]eq(?:uest)?\.(?:query|body|params|cookies"
    r"|headers|url|originalUrl|form|args|QueryString|Form|Params|Cookies|Headers)\b"
    r"|\bgetParameter\(|\bgetHeader\(|\bgetQueryString\(|\bargv\b|\bprocess\.argv\b"
    r"|\blocation\.(?:hash|search|href)|\bos\.Args\b|\.URL\.Query\(|\.FormValue\(|\.PostFormValue\("
    r"|\bdocument\.(?:URL|referrer|cookie)|\benv::args|php://input|\bConsole\.ReadLine\(|\bgetenv\("
)
_NUMBER_CAST = re.compile(r"\(\s?(?:int|integer|float|bool|boolean|long|double)\s?\)")
_CLEANED = re.compile(
    r"(?i)^(?:\w+(?:\.|::|->))*(?:escapeshell(?:arg|cmd)|intval|floatval|htmlspecialchars|htmlentities"
    r"|encodeURIComponent|encodeURI|DOMPurify\.sanitize|sanitize\w*|escape\w*|parseInt|parseFloat|Number"
    r"|quote\w*|realpath|basename|shellescape\w*|real_escape_string|(?:mysqli?_)?real_escape_string"
    r"|\$?t|__?|N_|gettext|tr|nameof|typeof|int|Atoi|Itoa|ParseInt|HtmlEncode|UrlEncode|html_escape|strlen|sizeof"
    r"|lengthof|countof|json_encode|esc_\w+|absint|number_format|count|prepare|md5|sha1)\s{0,4}[(\[]"
)

_ASSIGNS = re.compile(
    r"\s{0,4}(?::\s{0,4}[\w<>\[\]]{1,40}\s{0,4})?"
    r"(=|:=|\+=|\.=|\.[aA]ppend(?:Format|Line)?\(|<<)(?![=>])\s{0,4}"
)

_PRINTS_INTO = re.compile(r"\b(?:sn?printf|strn?cat|strn?cpy|strlc(?:at|py))\(\s{0,4}\w{1,60}$")
_TEXT_PART = re.compile(
    r"\s{0,4},(?:[^;\n]{0,200}%[-.\d]{0,6}s|\s{0,4}[a-z_]\w{0,60}\s{0,4}[,)\[-])"
)


class Origin(IntEnum):
    """Where a value comes from, the least suspicious first."""

    FIXED = 0
    """Literals, constants, and what has been made harmless."""
    UNKNOWN = 1
    """A parameter, a field, the result of a call."""
    BUILT = 2
    """Text joined or formatted from parts that are not fixed."""
    INPUT = 3
    """Plainly from outside: a request, the command line."""


class Values:
    """What is known of the values in one window."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._steps = 0
        self.seen: list[str] = []
        """The expressions that took part in the last answer, the asked one first."""

    def origin(self, node: Node) -> Origin:
        """Where the value of the expression `node` comes from."""
        self._steps = 0
        self.seen = []
        return self._origin(node, frozenset())

    def _origin(self, node: Node, names: frozenset[str]) -> Origin:
        self._steps += 1
        text = self._window.string(node)[:400]
        self.seen.append(text)
        if self._steps > MOST_STEPS:
            return Origin.UNKNOWN
        if node.type in _FIXED or _CONSTANT.match(text) or _NUMBER_CAST.match(text):
            return Origin.FIXED
        if node.type in _TEXTS:
            parts = [child for child in node.named_children if child.type not in _INSIDE]
            return self._joined(parts, names)
        if node.type in ("binary_expression", "concatenated_expression"):
            return self._joined(node.named_children, names)
        if node.type in _CALLS and _CLEANED.match(text):
            return Origin.FIXED
        if INPUT.search(text):
            return Origin.INPUT
        if node.type in _NAMES:
            return self._assigned(node, text, names)
        if node.type in _CALLS:
            return self._called(node, text, names)
        if node.type in ("conditional_expression", "ternary_expression"):
            branches = node.named_children[1:] or node.named_children
            return self._worst(branches, names)
        if node.type in _MEMBERS:
            return Origin.UNKNOWN
        if node.type in _CREATIONS:
            return self._created(node, names)
        if node.named_child_count and ("paren" in node.type or "cast" in node.type):
            return self._origin(node.named_children[-1], names)
        if node.named_child_count:
            return min(self._worst(node.named_children, names), Origin.BUILT)
        return Origin.UNKNOWN

    def _joined(self, parts: list[Node], names: frozenset[str]) -> Origin:
        worst = self._worst(parts, names)
        return Origin.BUILT if worst == Origin.UNKNOWN else worst

    def _worst(self, nodes: list[Node], names: frozenset[str]) -> Origin:
        return max((self._origin(one, names) for one in nodes), default=Origin.FIXED)

    def _created(self, node: Node, names: frozenset[str]) -> Origin:
        arguments = node.child_by_field_name("arguments")
        if arguments is None or not arguments.named_child_count:
            return Origin.UNKNOWN
        return min(self._worst(arguments.named_children, names), Origin.BUILT)

    def _called(self, node: Node, text: str, names: frozenset[str]) -> Origin:
        called = text.split("(", 1)[0]
        listed = [
            child
            for last in node.named_children[-1:]
            if last.type in ("arguments", "argument_list", "token_tree")
            for child in last.named_children
        ]
        if not _JOINS.search(called):
            return Origin.UNKNOWN
        if _OF_RECEIVER.search(called):
            function = node.child_by_field_name("function") or node
            listed = [*function.named_children[:1], *listed]
        return self._joined(listed, names) if listed else Origin.UNKNOWN

    def _assigned(self, node: Node, name: str, names: frozenset[str]) -> Origin:
        """The worst of what the lines above put into the variable `name`."""
        if name in names or node.start_byte == 0:
            return Origin.UNKNOWN
        found: Origin | None = None
        for value, is_added in self._assignments(name, node.start_byte):
            origin = self._origin(value, names | {name})
            if is_added and origin == Origin.UNKNOWN:
                origin = Origin.BUILT
            found = origin if found is None else max(found, origin)
        if self._is_printed_into(name, node.start_byte):
            return max(found or Origin.BUILT, Origin.BUILT)
        return Origin.UNKNOWN if found is None else found

    def _is_printed_into(self, name: str, before: int) -> bool:
        """Whether C above writes text that is not fixed into the array `name`."""
        text = self._window.text
        return any(
            _PRINTS_INTO.search(self._window.line(end)[-80:]) and _TEXT_PART.match(text, end)
            for end in self._window.places(name, before)
        )

    def _assignments(self, name: str, before: int) -> Iterator[tuple[Node, bool]]:
        """The values last put into `name`, back to the one that does not add to an older one."""
        found = (
            _ASSIGNS.match(self._window.text, end) for end in self._window.places(name, before)
        )
        for match in filter(None, found):
            root = self._window.tree_at(match.end())
            value = _expression_at(root, match.end()) if root is not None else None
            if value is None or value.end_byte > before:
                continue
            is_added = match[1] not in ("=", ":=")
            yield value, is_added
            if not is_added:
                return


def _expression_at(root: Node, offset: int) -> Node | None:
    """The largest expression that begins at `offset`."""
    node = root.named_descendant_for_byte_range(offset, offset + 1)
    while node is not None and node.parent is not None and node.parent.start_byte == offset:
        if node.parent.type.endswith(("statement", "declaration", "program", "ERROR")):
            break
        node = node.parent
    return node if node is not None and node.start_byte == offset else None
