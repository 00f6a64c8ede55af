"""Deprecated names in a JavaScript or TypeScript suggestion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice

from tree_sitter import Node

from server.guard.finding import Case, Finding
from server.guard.script_index import ScriptIndex, ScriptModule
from server.guard.script_names import Place, ScriptMeanings, imports, syntax

CWE = "CWE-477"
MOST_PREFIX_CHARS = 60_000
MOST_USES = 60
"""Of one suggestion: more names of interest than that are no completion."""
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_USE = re.compile(
    r"(?:\b[Uu]se|[Pp]refer|in favou?r of|[Rr]eplaced (?:by|with))\s+(?:the\s+)?[`'\"]*"
    r"([\w$]+(?:[.#][\w$]+)*)"
)
_LANGUAGES = {"javascript", "javascriptreact", "typescript", "typescriptreact"}


class ScriptDeprecated:
    """Looks the names of a suggestion up in the declarations of the workspace's packages."""

    def __init__(self, index: ScriptIndex) -> None:
        self._index = index

    def find(self, case: Case) -> list[Finding]:
        """Deprecated names that end inside the suggestion; none without a workspace."""
        if case.path is None or case.language.lower() not in _LANGUAGES:
            return []
        before = case.prefix[-MOST_PREFIX_CHARS:]
        imported = imports(before + case.suggestion)
        wanted = {place.module for place in imported.values() if not place.module.startswith(".")}
        modules = self._index.modules(case.path, sorted({"", *wanted}))
        words = set(_WORD.findall(case.suggestion))
        words = {word for word in words if any(word in one.last_names for one in modules.values())}
        if not words:
            return []
        rest = case.suffix[:200].split("\n", 1)[0]
        source = (before + case.suggestion + rest).encode("utf-8", "replace")
        root = syntax(case.language, source)
        if root is None:
            return []
        meanings = ScriptMeanings(source, root, imported, modules)
        found: list[Finding] = []
        offset = len(before.encode("utf-8", "replace"))
        uses = (match for match in _WORD.finditer(case.suggestion) if match[0] in words)
        for match in islice(uses, MOST_USES):
            start = offset + len(case.suggestion[: match.start()].encode("utf-8", "replace"))
            node = root.descendant_for_byte_range(start, start + len(match[0].encode()))
            if node is not None and node.parent is not None:
                finding = _finding(node, node.parent, match, meanings, modules)
                found += [finding] if finding is not None else []
        return found


def _finding(
    node: Node,
    parent: Node,
    match: re.Match[str],
    meanings: ScriptMeanings,
    modules: Mapping[str, ScriptModule],
) -> Finding | None:
    place = _used(node, parent, meanings)
    module = modules.get(place.module) if place is not None else None
    if place is None or module is None or not place.path:
        return None
    known = module.get(place.path)
    if known is None and parent.type == "new_expression" and not place.is_instance:
        kind = module.types.get(place.path, place.path)
        known = module.get(f"{place.path}.constructor") or module.get(f"{kind}.constructor")
    if known is None:
        return None
    path, text = known
    name = ".".join(filter(None, (place.module, path)))
    start, end = match.span()
    return Finding(
        "deprecated", name, CWE, start, end, _message(name, text, module), None, "medium"
    )


def _used(node: Node, parent: Node, meanings: ScriptMeanings) -> Place | None:
    """What an identifier is a use of; None where it only gives a name to something."""
    if node.type in ("identifier", "shorthand_property_identifier", "type_identifier"):
        if parent.type in ("import_specifier", "namespace_import", "import_clause"):
            is_name = parent.child_by_field_name("name") == node
            return meanings.place(node) if parent.type == "import_specifier" and is_name else None
        if parent.type == "variable_declarator" and parent.child_by_field_name("name") == node:
            return None
        if parent.type.endswith(("parameter", "parameters", "declaration", "pattern")):
            return None
        return meanings.place(node)
    if node.type == "property_identifier" and parent.type == "member_expression":
        return meanings.place(parent)
    return None


def _message(name: str, text: str, module: ScriptModule) -> str:
    use = _USE.search(text)
    said = (
        f"`{name}` is deprecated in {module.package}"
        if module.package
        else f"`{name}` is deprecated"
    )
    if use is not None and use[1] not in ("the", "a", "of", name.rpartition(".")[2]):
        return f"{said}: use `{use[1]}` instead."
    text = text.strip(" .")
    return f"{said}: {text}." if len(text) >= 20 and "](http" not in text else f"{said}."
