"""How the value of a Python expression came about: written there, built from something, or open.

Deliberately small: one function, straight down, no calls followed. What is not understood is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from tree_sitter import Node

from server.guard.python_scene import Scene

Make = Literal["constant", "built", "open"]
"""`constant`: no other value is possible. `built`: text with something else put into it."""

MOST_DEPTH = 12
MOST_PARTS = 200
MOST_STEPS = 400
_CONSTANTS = frozenset(
    {"integer", "float", "true", "false", "none", "string_content", "escape_sequence", "ellipsis"}
)
_LISTS = frozenset({"tuple", "list", "set", "expression_list", "dictionary", "pair"})
_NUMBER_FORMATS = re.compile(r"%[-+ #0-9.]*[dioxXeEfFgGc%]")
_FORMATS = re.compile(r"%(?:\(\w*\))?[-+ #0-9.*]*[A-Za-z%]")
# Calls whose result cannot carry a command or a query, whatever they are given.
_HARMLESS = frozenset(
    {"shlex.quote", "shlex.join", "pipes.quote", "quote", "int", "float", "len", "bool", "abs"}
    | {"round", "sum", "ord", "hash", "id", "time.time", "os.getpid", "uuid.uuid4"}
)
_SAME_TEXT = frozenset({"str", "dedent", "textwrap.dedent", "unicode", "six.u", "u", "_"})
_SAME_METHODS = frozenset({"encode", "decode", "strip", "lstrip", "rstrip", "lower", "upper"})


def made(node: Node | None, scene: Scene, depth: int = 0) -> Make:
    """How the value of `node` came about."""
    scene.steps += 1
    if node is None or depth > MOST_DEPTH or scene.steps > MOST_STEPS:
        return "open"
    kind = node.type
    if kind in _CONSTANTS:
        return "constant"
    if kind == "string":
        inner = [one for one in node.named_children if one.type == "interpolation"]
        return _joined((_inner(one) for one in inner), scene, depth)
    if kind == "concatenated_string":
        return _either((made(one, scene, depth + 1) for one in node.named_children), "built")
    if kind in ("parenthesized_expression", "await"):
        return made(_first(node), scene, depth + 1)
    if kind in _LISTS:
        parts = (made(one, scene, depth + 1) for one in node.named_children[:MOST_PARTS])
        return "constant" if all(one == "constant" for one in parts) else "open"
    if kind in ("conditional_expression", "boolean_operator"):
        parts = node.named_children
        chosen = (parts[0], parts[-1]) if len(parts) > 1 else parts
        return _either((made(one, scene, depth + 1) for one in chosen), "open")
    if kind in ("list_comprehension", "generator_expression"):
        body = made(_first(node), scene, depth + 1)
        return body if body == "constant" else "open"
    if kind == "binary_operator":
        return _operated(node, scene, depth)
    if kind == "call":
        return _called(node, scene, depth)
    if kind in ("identifier", "attribute"):
        return _named(node, scene, depth)
    return "open"


def origin(node: Node, scene: Scene) -> Node:
    """What a name that was built above stands for; other nodes are themselves."""
    if node.type not in ("identifier", "attribute"):
        return node
    for one in reversed(scene.assigned(scene.string(node), node)):
        value = one.child_by_field_name("right")
        if value is not None and made(value, scene, 1) == "built":
            return value
    return node


def _operated(node: Node, scene: Scene, depth: int) -> Make:
    operator = node.child_by_field_name("operator")
    sign = operator.type if operator is not None else ""
    if sign == "+":
        return _joined(_summands(node), scene, depth, needs_text=True)
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    first, second = made(left, scene, depth + 1), made(right, scene, depth + 1)
    if sign == "*":
        return "constant" if "constant" in (first, second) else "open"
    if sign != "%":
        return "constant" if first == second == "constant" else "open"
    if first == "constant" and left is not None:
        formats = _FORMATS.findall(scene.string(left))
        if second == "constant" or all(_NUMBER_FORMATS.fullmatch(one) for one in formats):
            return "constant"
        return "built"
    return "built" if first == "built" else "open"


def _summands(node: Node) -> Iterable[Node | None]:
    """The parts of a sum, in any order; a long sum is a deep tree to the left."""
    parts, at = list[Node | None](), node
    while len(parts) < MOST_PARTS:
        operator = at.child_by_field_name("operator")
        left = at.child_by_field_name("left")
        if at.type != "binary_operator" or left is None or operator is None or operator.type != "+":
            break
        parts.append(at.child_by_field_name("right"))
        at = left
    return [*parts, at]


def _called(node: Node, scene: Scene, depth: int) -> Make:
    function = node.child_by_field_name("function")
    listed = node.child_by_field_name("arguments")
    given = listed.named_children[:MOST_PARTS] if listed is not None else []
    given = [one.child_by_field_name("value") or one for one in given]
    if function is None:
        return "open"
    name = scene.dotted(function)
    if name in _HARMLESS:
        return "constant"
    if name in _SAME_TEXT and len(given) == 1:
        return made(given[0], scene, depth + 1)
    if function.type != "attribute":
        return "open"
    owner, method = (
        function.child_by_field_name("object"),
        function.child_by_field_name("attribute"),
    )
    verb = scene.string(method) if method is not None else ""
    if verb in _SAME_METHODS:
        return made(owner, scene, depth + 1)
    if verb in ("format", "join", "replace") and made(owner, scene, depth + 1) != "open":
        return _joined([owner, *given], scene, depth)
    return "open"


def _named(node: Node, scene: Scene, depth: int) -> Make:
    found: list[Make] = []
    for one in scene.assigned(scene.string(node), node)[-8:]:
        value = made(one.child_by_field_name("right"), scene, depth + 4)
        is_more = one.type == "augmented_assignment"
        found.append("built" if is_more and value != "constant" else value)
    if not found:
        return "open"
    return "built" if "built" in found else _either(found, "open")


def _joined(
    parts: Iterable[Node | None], scene: Scene, depth: int, *, needs_text: bool = False
) -> Make:
    """What text made of `parts` is; with `needs_text`, built only if one of them is text."""
    values = [made(one, scene, depth + 1) for one in parts]
    if all(one == "constant" for one in values):
        return "constant"
    return "built" if not needs_text or {"constant", "built"} & set(values) else "open"


def _either(values: Iterable[Make], mixed: Make) -> Make:
    seen = set(values)
    if seen <= {"constant"}:
        return "constant"
    return "built" if "built" in seen else mixed


def _inner(interpolation: Node) -> Node | None:
    return interpolation.child_by_field_name("expression")


def _first(node: Node) -> Node | None:
    return node.named_children[0] if node.named_children else None
