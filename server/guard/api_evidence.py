"""What in a definition says that it is deprecated as a whole: mark, docstring, warning, bare raise.

A warning under an `if` is about an argument or a platform, so it says nothing here.
"""

from __future__ import annotations

import ast
import re
from inspect import cleandoc
from typing import Literal

from server.guard.api_text import ABOUT_ARGUMENTS, GONE, is_about_the_name, known_text, string_names

Evidence = Literal["decorator", "always", "doc", "stub", "argument"]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_NOT_THE_WHOLE = re.compile(
    r"arg|param|positional|keyword|default|option|rename|alias|attribute|privatize|check|ignore"
    r"|copy|filter|suppress|catch|test|expect|override|module|class_?var|value|dtype|allow|instance"
)
_MARK = re.compile(r"(?:\A|_)deprecate[ds]?(?:\Z|_)|\Adeprecated|deprecated\Z")
_EMITS = re.compile(r"(?i)deprecat|warn")
_DOC_DIRECTIVE = re.compile(r"(?m)^([ \t]*)\.\. deprecated::(.*(?:\n[ \t]+.*|\n[ \t]*$){0,6})")
_DOC_TEXT = re.compile(
    r"(?is)^\W{0,4}deprecated\b(?!\s+(?:names?|aliases|functions|code|parameters?)\b)"
    r"|^.{0,200}?\bthis (?:function|method|class) (?:is|has been) deprecated\b"
)
_VERSION = re.compile(r"\A\s*v?[\d.]*\s*")
_PARTIAL = re.compile(r"``|\*|[A-Z]\w+ing\b")
"""A directive that begins like this deprecates some code or habit, not what it stands in."""
_WARNERS = ("warn", "_deprecated", "warn_deprecated", "deprecation_warning", "deprecated")


def whole_evidence(node: Definition, strings: dict[str, str]) -> tuple[Evidence, str] | None:
    """How and with which words a definition is deprecated; None if it is not."""
    if _EMITS.search(node.name):
        return None  # it warns on behalf of others
    found = _by_decorator(node, strings) or _by_docstring(node)
    if found is None and not isinstance(node, ast.ClassDef):
        text = _by_warning(node, strings)
        if text is not None:
            return "always", text
        text = _by_raise(node, strings)
        return ("stub", text) if text is not None else None
    return found


def constructor_text(node: ast.ClassDef, strings: dict[str, str]) -> str | None:
    """What every call of the class warns about."""
    if _EMITS.search(node.name):
        return None
    makers = [
        method
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name in ("__init__", "__new__")
    ]
    for method in makers:
        text = _by_warning(method, strings)
        if text is not None:
            return text
    marks = [_by_decorator(method, strings) for method in makers]
    first = marks[0] if marks else None
    return first[1] if first is not None and all(marks) else None  # all overloads


def warning_text(call: ast.Call, strings: dict[str, str]) -> str | None:
    """The text of a deprecation warning; None if the call gives none."""
    name = last_name(call.func)
    if name not in _WARNERS:
        return None
    text = known_text(call.args[0], strings) if call.args else ""
    values = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
    categories = [last_name(value) for value in values]
    if any("Pending" in one for one in categories):
        return None
    is_category = any("Deprecat" in one or one == "FutureWarning" for one in categories)
    if name == "warn" and not is_category and "deprecated" not in text.lower():
        return None
    return text if len(text) >= 4 or name == "_deprecated" else None


def last_name(node: ast.expr) -> str:
    """`c` of `a.b.c` and of a call of it."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _by_decorator(node: Definition, strings: dict[str, str]) -> tuple[Evidence, str] | None:
    for decorator in node.decorator_list:
        name = last_name(decorator).lower()
        if not _MARK.search(name) or _NOT_THE_WHOLE.search(name):
            continue
        texts: list[str] = []
        if isinstance(decorator, ast.Call):
            values = [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
            texts = [known_text(value, strings) for value in values]
            if any(one.arg == "pending" and _is_true(one.value) for one in decorator.keywords):
                continue
        text = " ".join(filter(None, texts))
        if "will change" in text or re.search(r"(?i)\bargument|\bparameter", text):
            continue
        return "decorator", text
    return None


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _by_docstring(node: Definition) -> tuple[Evidence, str] | None:
    doc = ast.get_docstring(node, clean=False) or ""
    if "eprecated" not in doc and "EPRECATED" not in doc:
        return None
    doc = cleandoc(doc)
    directive = _DOC_DIRECTIVE.search(doc)
    if directive is not None and not directive[1]:
        text = directive[2]
        said = _VERSION.sub("", text).split("\n\n")[0]
        is_partial = _PARTIAL.match(said) or ABOUT_ARGUMENTS.search(said)
        is_partial = is_partial or len(_DOC_DIRECTIVE.findall(doc)) > 1
        return None if is_partial else ("doc", text)
    if not _DOC_TEXT.search(doc):
        return None
    text = next(part for part in doc.split("\n\n") if "deprecated" in part.lower())
    return None if ABOUT_ARGUMENTS.search(text) else ("doc", text)


def _by_warning(node: Function, strings: dict[str, str]) -> str | None:
    """The text of a deprecation warning that every call of the function gives."""
    strings = strings | string_names(node.body)
    for index, statement in enumerate(node.body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            text = warning_text(statement.value, strings)
            if text is not None:
                before = node.body[:index]
                may_return = any(
                    isinstance(inner, ast.Return) for one in before for inner in ast.walk(one)
                )
                return text if is_about_the_name(text) and not may_return else None
    return None


def _by_raise(node: Function, strings: dict[str, str]) -> str | None:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return None
    raised = body[0].exc
    if not isinstance(raised, ast.Call) or not raised.args:
        return None
    text = known_text(raised.args[0], strings)
    return text if GONE.search(text) and not ABOUT_ARGUMENTS.search(text) else None
