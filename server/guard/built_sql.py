"""SQL that is put together from values, and the calls that run it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from tree_sitter import Node

from server.guard.python_call import Call
from server.guard.python_scene import Scene
from server.guard.taint import made, origin

MOST_STATEMENTS = 200
RUNS = frozenset(
    {"execute", "executemany", "executescript", "execute_sql", "mogrify", "raw", "read_sql"}
    | {"read_sql_query", "sql", "query", "fetch", "fetchrow", "fetchval", "fetch_all", "fetch_one"}
    | {"select_all", "executeQuery", "execute_query", "run_query", "runQuery", "text", "RawSQL"}
)
_SURE = frozenset({"execute", "executemany", "executescript", "mogrify"})
_DATABASE = re.compile(
    r"(?i)(?:^|[._])(?:\w*curs?(?:or)?\d?|\w*con(?:n(?:ection)?)?\d?|\w*db\w{0,2}|c|\w*session|\w*engine|\w*database|tx|dbh)$"
)
# The beginning of a statement, within quotes.
_BEGINS = re.compile(
    r"""(?is)["']\s{0,40}(?:\\n|\\|\s){0,40}(?:select|insert|update|delete|replace|create|drop|alter|grant"""
    r"""|truncate|with|merge|call|use|set|show|pragma|copy|attach|vacuum|exec|analyze|lock|describe)\b\s"""
)
# So much of a statement that it can be nothing else.
_IS_SQL = re.compile(
    r"""(?is)["']\s{0,40}(?:\\n|\\|\s){0,40}(?:select\b.{1,400}?\sfrom\b|insert\s{1,9}(?:or\s\w{1,9}\s)?into\b"""
    r"""|update\s{1,9}.{1,120}?\sset\b|delete\s{1,9}from\b|replace\s{1,9}into\b|drop\s{1,9}table\b"""
    r"""|create\s{1,9}(?:table|view|index|user|role|database)\b|alter\s{1,9}table\b)"""
)
_SQL_START = re.compile(
    r"""(?i)["'](?:\\\n)?\s{0,40}(select|insert|update|delete|replace|drop|create|alter)\s"""
)
_TEXTS = frozenset({"string", "concatenated_string", "binary_operator", "parenthesized_expression"})
_TOLD = re.compile(
    r"(?i)(?:^|[._])(?:log\w*|debug|info|warn\w*|error|print|exception|\w*Error|fail)$"
)


def run_sql(call: Call, scene: Scene) -> Node | None:
    """The argument of a call that runs SQL, if it is a text with values in it."""
    verb = scene.string(call.last)
    if verb not in RUNS:
        return None
    query = call.argument(0, "sql", "query", "statement", "operation")
    if query is None or made(query, scene) not in ("built", "open"):
        return None
    source = origin(query, scene)
    text = scene.string(source)[:2000]
    is_built = made(source, scene) == "built"
    if is_built and (_IS_SQL.search(text) or (verb in _SURE and _BEGINS.search(text))):
        return query
    owner = call.function.child_by_field_name("object")
    is_database = owner is not None and _DATABASE.search(scene.string(owner)[-60:]) is not None
    is_mixed = is_built or _is_mixed(source, scene)
    return query if verb in _SURE and is_mixed and (is_database or not is_built) else None


def written_sql(scene: Scene) -> Iterator[Node]:
    """Expressions in the suggestion that put values into SQL."""
    starts = _SQL_START.finditer(scene.text, max(0, scene.start - 20), scene.end)
    for match in islice(starts, MOST_STATEMENTS):
        if not (match[1].isupper() or match[1].islower()):  # `Select one from ...`
            continue
        node = scene.root.named_descendant_for_byte_range(match.start(), match.start() + 1)
        if node is None:
            continue
        node = _expression(node, scene)
        text = scene.string(node)[:2000]
        if _IS_SQL.search(text) and made(node, scene) == "built" and not _is_told(node, scene):
            yield node


def _expression(node: Node, scene: Scene) -> Node:
    """The largest text around a quote: up to the sum or the `.format(...)` that it begins."""
    while (above := node.parent) is not None:
        if above.type in _TEXTS or node.type == "string_start":
            node = above
        elif above.type == "attribute" and scene.string(above).endswith((".format", ".join")):
            node = above.parent if above.parent is not None else above
        else:
            break
    return node


def _is_mixed(node: Node, scene: Scene) -> bool:
    """`query % values`, `query.format(value)`: text put together from what cannot be seen."""
    if node.type == "binary_operator":
        operator = node.child_by_field_name("operator")
        return operator is not None and operator.type in ("%", "+")
    function = node.child_by_field_name("function") if node.type == "call" else None
    return function is not None and scene.string(function).endswith(".format")


def _is_told(node: Node, scene: Scene) -> bool:
    """Whether a text is only for people: logged, printed or raised."""
    above = node.parent
    if above is None or above.type != "argument_list" or above.parent is None:
        return False
    function = above.parent.child_by_field_name("function")
    return function is not None and _TOLD.search(scene.string(function)[-60:]) is not None
