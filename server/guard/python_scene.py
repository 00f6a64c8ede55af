"""The Python around a suggestion as an error-tolerant syntax tree, and questions about it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from server.guard.finding import Case
from server.guard.fragment import closing, open_string
from server.guard.import_table import ImportTable, imports_around

BEFORE_CHARS = 2_500
"""How much of the user's text above the suggestion is parsed: for where a string was built."""
AFTER_CHARS = 500
MOST_SUGGESTION_CHARS = 60_000
MOST_BROKEN_CHARS = 6_000
"""Of a suggestion that does not parse: asking a broken tree takes time by the square."""
MOST_ASSIGNMENTS = 8
"""So many assignments to a name are looked at, the nearest."""
_TOP = re.compile(
    r"(?m)^(?:@\w|def \w|class \w|async def |if |for |while |with |try:|import |from "
    r"|[A-Za-z_][\w.]{0,60}[ \t]*(?:=|\())"
)
_DEFINITION = re.compile(r"(?m)^[ \t]+(?:@\w|def \w|class \w|async def )")
_GOES_ON = frozenset("([{,\\+=%.")
_QUOTES = ('"""', "'''")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*$")
_CALLS = "[(call) (attribute) (exec_statement) (assignment)] @found"
_ASSIGNMENTS = "[(assignment) (augmented_assignment)] @found"


@dataclass
class Scene:
    """A parsed text in which the suggestion stands at [start, end)."""

    text: str
    """Only ASCII: another character is an `x`, so that a byte of the tree is a character."""
    start: int
    end: int
    root: Node
    imports: ImportTable
    steps: int = 0
    """What has been spent on the value at hand; see `taint`."""
    defines: str = ""
    """Where else to look for what a name is."""
    source: str = ""
    """The user's text and the suggestion behind it, letter for letter."""
    _assigned: dict[str, list[Node]] | None = field(default=None, repr=False)

    def string(self, node: Node) -> str:
        """The source of a node."""
        return self.text[node.start_byte : node.end_byte]

    def nodes(self) -> list[Node]:
        """Calls, attributes, assignments and `exec` statements that touch the suggestion."""
        cursor = QueryCursor(_query(_CALLS))
        cursor.set_byte_range(self.start, self.end)
        found = _captured(cursor, self.root)
        return [one for one in found if one.start_byte < self.end and one.end_byte > self.start]

    def above(self, node: Node) -> str:
        """The source before a node, also where the tree does not hold it."""
        return self.source[: self._place(node.start_byte)]

    def written(self, start: int, end: int) -> str:
        """What is written at [start, end) of the tree."""
        return self.source[self._place(start) : self._place(end)]

    @property
    def below(self) -> str:
        """What the user has behind the suggestion."""
        return (self.defines or self.text)[len(self.source) :]

    def dotted(self, node: Node) -> str | None:
        """`a.b.c` where the node is a name or an attribute of one."""
        if node.type not in ("identifier", "attribute"):
            return None
        text = self.string(node)
        if len(text) > 200 or not _DOTTED.match(text):
            return None
        return "".join(text.split())

    def paths(self, node: Node, modules: frozenset[str]) -> list[str]:
        """The full names that a name or attribute may have; empty where it is something local."""
        dotted = self.dotted(node)
        if dotted is None:
            return []
        root = dotted.split(".", 1)[0]
        if root not in self.imports.names and self._is_local(root, has_dot="." in dotted):
            return []
        return self.imports.paths(dotted, modules)

    def assigned(self, name: str, node: Node) -> list[Node]:
        """The assignments to `name` above `node` in the same function, first to last."""
        if self._assigned is None:
            self._assigned = {}
            for one in _captured(QueryCursor(_query(_ASSIGNMENTS)), self.root):
                left = one.child_by_field_name("left")
                if left is not None and left.type in ("identifier", "attribute"):
                    self._assigned.setdefault(self.string(left), []).append(one)
        known = self._assigned.get(name, [])
        above = known[: bisect_right(known, node.start_byte, key=lambda one: one.end_byte)]
        if not above:
            return []
        here = _scope(node)
        return [one for one in above[-MOST_ASSIGNMENTS:] if _scope(one) in (here, None)]

    def _place(self, offset: int) -> int:
        """Where a place of the tree is in the source."""
        return len(self.source) - self.end + offset

    def _is_local(self, name: str, *, has_dot: bool) -> bool:
        """Whether the text itself defines `name`, so that it is no module or builtin."""
        if not has_dot:
            pattern = rf"(?m)^def[ \t]+{name}\b|^{name}[ \t]*="
            return any(re.search(pattern, text) for text in (self.text, self.defines))
        pattern = (
            rf"\b{name}[ \t]*=[^=]|\bfor {name} in\b|\bas {name}\b"
            rf"|def \w+\([^()]{{0,300}}\b{name}\b"
        )
        return re.search(pattern, self.text) is not None


def scenes(case: Case) -> Iterator[Scene]:
    """The suggestion in its surroundings, then alone if what surrounds it does not parse."""
    suggestion = case.suggestion[:MOST_SUGGESTION_CHARS]
    imports = imports_around(case.prefix, suggestion)
    before, after = _before(case.prefix), _after(case.suffix)
    if len(after) < len(case.suffix):
        after += _completed(before + suggestion + after)[len(before + suggestion + after) :]
    scene = _scene(before, suggestion, after, imports)
    if scene.root.has_error and len(suggestion) > MOST_BROKEN_CHARS:
        suggestion, after = suggestion[:MOST_BROKEN_CHARS], ""
        scene = _scene(before, suggestion, after, imports)
    yield scene
    if scene.root.has_error:
        quotes = open_string(before)
        line = quotes or before[before.rfind("\n") + 1 :]
        alone = _closed(line, suggestion, after, imports)
        if quotes:  # perhaps they do not begin a docstring, but end one that was cut
            below = before[before.rfind(quotes) + len(quotes) :]
            other = _closed(below, suggestion, after, imports)
            alone = alone if other.root.has_error else other
        yield replace(alone, defines=scene.text, source=scene.source)


def function_of(node: Node) -> Node | None:
    """The function definition around a node."""
    above = node.parent
    while above is not None and above.type != "function_definition":
        above = above.parent
    return above


def _closed(before: str, suggestion: str, after: str, imports: ImportTable) -> Scene:
    """The suggestion and its line, with whatever is open closed."""
    after = after.split("\n", 1)[0]
    after += closing(before + suggestion + after) + "\n"
    return _scene(before, suggestion, after, imports)


def _captured(cursor: QueryCursor, root: Node) -> list[Node]:
    """What a query finds, by where it ends: the binding gives it in the order of addresses."""
    found = cursor.captures(root).get("found", [])
    return sorted(found, key=lambda one: (one.end_byte, -one.start_byte))


def _scope(node: Node) -> int | None:
    owner = function_of(node)
    return owner.start_byte if owner is not None else None


def _scene(before: str, suggestion: str, after: str, imports: ImportTable) -> Scene:
    text = before + suggestion + after
    if not text.isascii():
        text = _NOT_ASCII.sub("x", text)
    end = len(before) + len(suggestion)
    return Scene(text, len(before), end, _root(text), imports, source=before + suggestion)


@lru_cache(maxsize=4)
def _root(text: str) -> Node:
    """The tree of `text`: it is the same while somebody types what is suggested."""
    return Parser(_language()).parse(text.encode("ascii")).root_node


def _before(prefix: str) -> str:
    """The end of the prefix, from the start of a statement where there is one."""
    if len(prefix) > BEFORE_CHARS:
        start = prefix.find("\n", len(prefix) - BEFORE_CHARS) + 1 or len(prefix) - BEFORE_CHARS
        for quotes in _QUOTES:
            if prefix.count(quotes, 0, start) % 2:  # the cut is inside a docstring
                start = max(start, prefix.find(quotes, start) + len(quotes))
        top = _TOP.search(prefix, start) or _DEFINITION.search(prefix, start)
        prefix = prefix[top.start() if top is not None else start :]
    return prefix


def _after(suffix: str) -> str:
    """The beginning of the suffix, up to a line that ends a statement as far as it shows."""
    if len(suffix) <= AFTER_CHARS:
        return suffix
    cut = suffix.rfind("\n", 0, AFTER_CHARS)
    while cut > 0 and suffix[cut - 1] in _GOES_ON:
        cut = suffix.rfind("\n", 0, cut)
    return suffix[: cut + 1 if cut >= 0 else AFTER_CHARS]


def _completed(text: str) -> str:
    """A text whose end was cut off, out of the docstring that the cut was in."""
    return text + "".join(f"\n{quotes}\n" for quotes in _QUOTES if text.count(quotes) % 2)


@cache
def _language() -> Language:
    return Language(tree_sitter_python.language())


@cache
def _query(text: str) -> Query:
    return Query(_language(), text)
