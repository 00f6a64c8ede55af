"""What to put in place of a deprecated name so that the code stays right where it stands.

A successor is written only with names that the file has imported; otherwise only the message tells
it. Templates of whole calls are explained in api_table.toml.
"""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass

from server.guard.api_table import Deprecation
from server.guard.python_names import Call, NameUse
from server.guard.python_syntax import Parsed

# Importing the first makes everything below it known that the table names as a successor.
_LOADS_ALL = {"numpy", "torch", "scipy", "pandas", "collections", "networkx", "datetime", "os"}
_IMPORT = re.compile(r"(?m)^[ \t]*import[ \t]+([^\n#;]+)")
_FROM = re.compile(r"(?m)^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#;]+)")
_FIELD = re.compile(r"\{(,?[\w.]+)\}")
_SIMPLE = re.compile(r"[\w.]+(?:\[[^\[\]]*\]|\([^()]*\))*")


@dataclass(frozen=True)
class Edit:
    """Replace [start, end), in bytes of the source, by `text`."""

    start: int
    end: int
    text: str


def replacement(parsed: Parsed, suffix: str, use: NameUse, known: Deprecation) -> Edit | None:
    """The edit that puts the successor in place of a use."""
    if use.keyword is not None:
        return _renamed_keyword(use, known)
    if use.statement is not None:
        return _import(parsed, suffix, use, known)
    if known.becomes is not None and use.call is not None:
        edit = _templated(parsed, use, use.call, known)
        if edit is not None:
            return edit
    if known.use is None or not known.is_drop_in:
        return None
    old, new = known.path.rpartition("."), known.use.rpartition(".")
    is_written = use.whole_start < use.start
    if old[0] == new[0] and is_written and _text(parsed, use.start, use.end) == old[2]:
        return Edit(use.start, use.end, new[2])
    if _is_member(known.path):
        return None
    spelled = spelling(parsed.text, known.use)
    return Edit(use.whole_start, use.end, spelled) if spelled is not None else None


def spelling(text: str, name: str) -> str | None:
    """How a file with the imports of `text` writes the full name; None if it cannot."""
    if "." not in name:
        return name if hasattr(builtins, name) else None
    local = _locals(text)
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        for path, written in local.items():
            is_root = count == 1 and (len(parts) == 2 or parts[0] in _LOADS_ALL)
            is_parent = count >= len(parts) - 1 or parts[0] in _LOADS_ALL
            if path == ".".join(parts[:count]) and (is_root or (is_parent and count > 1)):
                return ".".join([written, *parts[count:]])
    return None


def _locals(text: str) -> dict[str, str]:
    """What the file imports, by full name."""
    found: dict[str, str] = {}
    for match in _IMPORT.finditer(text):
        for entry in match[1].split(","):
            name, _, alias = (part.strip() for part in entry.partition(" as "))
            found[name] = alias or name
            if not alias:
                found.setdefault(name.partition(".")[0], name.partition(".")[0])
    for match in _FROM.finditer(text):
        for entry in match[2].strip("() \n").split(","):
            name, _, alias = (part.strip() for part in entry.partition(" as "))
            if name.isidentifier():
                found[f"{match[1]}.{name}"] = alias or name
    return found


def _templated(parsed: Parsed, use: NameUse, call: Call, known: Deprecation) -> Edit | None:
    template = known.becomes or ""
    count = len(call.arguments)
    if (
        (known.takes is not None and (count != known.takes or call.has_keywords))
        or (" = " in template and not call.is_statement)
        or (" + " in template and _text(parsed, call.end, call.end + 1) in (".", "["))
    ):
        return None
    inside = _text(parsed, call.start + 1, call.end - 1).strip()
    fields = {
        "object": _text(parsed, use.whole_start, use.start).rstrip(" ."),
        "args": inside,
        ",args": f", {inside}" if inside else "",
    }
    if "{args}." in template and not _SIMPLE.fullmatch(inside):
        fields["args"] = f"({inside})"
    written: list[str] = []
    last = 0
    for match in _FIELD.finditer(template):
        value = fields.get(match[1])
        value = spelling(parsed.text, match[1]) if value is None else value
        if not value and match[1] != ",args" and match[1] != "args":
            return None
        written += [template[last : match.start()], value or ""]
        last = match.end()
    text = "".join(written) + template[last:]
    kept = f"{fields['object']}."
    if template.startswith("{object}.") and use.whole_start < use.start:
        return Edit(use.start, call.end, text[len(kept) :])  # what stands before may change too
    return Edit(use.whole_start, call.end, text)


def _import(parsed: Parsed, suffix: str, use: NameUse, known: Deprecation) -> Edit | None:
    """`from a import old` as `from a import new`, under the old name if that is used."""
    statement = use.statement
    if statement is None or known.use is None or not known.is_drop_in:
        return None
    module = statement.child_by_field_name("module_name")
    names = statement.children_by_field_name("name")
    if module is None or len(names) == 0 or use.start < module.end_byte:
        return None
    old, new = known.path.rpartition("."), known.use.rpartition(".")
    entry = next((one for one in names if one.start_byte <= use.start < one.end_byte), None)
    if entry is None or not new[0]:
        return None
    written = new[2]
    if entry.type != "aliased_import" and old[2] != new[2]:
        others = re.findall(rf"\b{re.escape(old[2])}\b", parsed.text + suffix)
        written += f" as {old[2]}" if len(others) > 1 else ""
    if old[0] == new[0]:
        return Edit(use.start, use.end, written)
    if len(names) == 1 and module.start_byte >= parsed.start:
        return Edit(module.start_byte, use.end, f"{new[0]} import {written}")
    return None


def _renamed_keyword(use: NameUse, known: Deprecation) -> Edit | None:
    if known.use is None or not known.use.isidentifier() or not known.is_drop_in:
        return None
    return Edit(use.start, use.end, known.use)


def _is_member(path: str) -> bool:
    """Whether a full name is that of a class's member, which no import spells."""
    return path.rpartition(".")[0].rpartition(".")[2][:1].isupper()


def _text(parsed: Parsed, start: int, end: int) -> str:
    return parsed.source[start:end].decode("utf-8", "replace")
