"""Judges calls, constructions and assignments in a suggestion by the rules of `syntax_table`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from server.guard.finding import Finding
from server.guard.syntax_closing import closed
from server.guard.syntax_shapes import Shape, Use, uses
from server.guard.syntax_table import SyntaxRule
from server.guard.syntax_values import Origin, Values
from server.guard.syntax_window import Window

MOST_CALL_CHARS = 2000
HEAD_CHARS = 300
"""How far above a use the words are looked for that tell what it is for."""
_SECURITY = re.compile(
    r"(?i)token|secret|passw|nonce|salt|session|otp\b|api_?key|csrf|xsrf|cookie|credential|captcha"
    r"|crypt|auth|uuid|guid|private|signature|\biv\b"
)
_LAST = re.compile(r"[.:\\]")
# A call whose first argument is a plain text: known without a tree.
_LITERAL = re.compile(
    r"""\s{0,4}\(\s{0,4}(?:"[^"\\\n$%{]{0,120}"|'[^'\\\n$%{]{0,120}')\s{0,4}[,)]"""
)
# A receiver that is a chain of names, or none: known without a tree.
_CHAIN = re.compile(
    r"(?:^|[^\w$.:)\]>?\s\-]|[^.:>\s]\s)\s{0,8}((?:[\w$]{1,40}(?:\?\.|\.|::|->)){0,5})$"
)
_NAME_AT_END = re.compile(r"(\w{1,60})$")
_GIVEN = re.compile(r"\s{0,4}:?=\s{0,4}(?:new\s{1,4}|await\s{1,4})?([\w.:]{1,60})")
_DECLARED = re.compile(r"(?:^|[\s(,<])([\w.:]{1,60}(?:<[\w, ]{0,40}>)?)[*&?\s]{1,6}\w{1,60}$")
_ARRAY = re.compile(r"\s{0,2}\[\s{0,4}\w[^\]\n;]{0,80}\]\s{0,4}[;,=]")
_COMPARED_AFTER = re.compile(r"[)\s]{0,4}(?:[<>]=?|[!=]=)(?![<>])")
_COMPARED_BEFORE = re.compile(
    r"(?:[^-<>][<>]=?\s{0,2}\(?\s{0,2}|(?i:min|assert|check)\w{0,20}\([^)]{0,60})[\w.>\-]{1,60}$"
)
# What must follow a name for it to be used so.
_FOLLOWS: dict[Shape, re.Pattern[str]] = {
    "call": re.compile(r"\s{0,4}(?:[(<]|\?\.\(|::<)"),
    "new": re.compile(r"\s{0,4}[(<\[{;]|\W"),
    "set": re.compile(r"[\"'\]]{0,2}\s{0,8}[-+|&]?[=:]"),
}


def syntax_findings(window: Window, rules: list[SyntaxRule], start: int, end: int) -> list[Finding]:
    """What `rules` say about the name at [start, end) of the window."""
    rules = [rule for rule in rules if _is_likely(window, rule, start, end)]
    if not rules:
        return []
    found = list(uses(window, start, end))
    if not found:
        complete = closed(window, start)
        if complete is None:
            return []
        window, found = complete, list(uses(complete, start, end))
    return [finding for use in found for finding in _rule_findings(window, rules, use)]


def _rule_findings(window: Window, rules: list[SyntaxRule], use: Use) -> Iterator[Finding]:
    name = _LAST.split(window.string(use.name).split("<")[0].strip("\"'"))[-1]
    for rule in rules:
        finding = _judged(window, rule, use) if rule.names.get(name) == use.shape else None
        if finding is not None:
            yield finding


def _judged(window: Window, rule: SyntaxRule, use: Use) -> Finding | None:
    if rule.count is not None and len(use.arguments) != rule.count:
        return None
    receiver = window.string(use.receiver)[-200:] if use.receiver is not None else ""
    if rule.on is not None and not _is_on(window, rule.on, receiver, use.name.start_byte):
        return None
    judged, origin = None, Origin.BUILT
    if rule.argument is not None:
        if not -len(use.arguments) <= rule.argument < len(use.arguments):
            return None
        judged = use.arguments[rule.argument]
        values = Values(window)
        origin = values.origin(judged)
        if origin not in rule.origins:
            return None
        if rule.matches is not None and not any(map(rule.matches.search, values.seen)):
            return None
    if rule.is_into_array and (judged is None or not _overruns(window, use.arguments[0], judged)):
        return None
    return _finding(window, rule, use, judged, origin) if _fits(window, rule, use) else None


def _overruns(window: Window, target: Node, length: Node) -> bool:
    """Whether `target` is an array declared above, and nothing there compares `length`."""
    name, above = window.string(target), target.start_byte
    if not any(_ARRAY.match(window.text, end) for end in window.places(name, above)):
        return False
    return not any(
        _COMPARED_AFTER.match(window.text, end) or _COMPARED_BEFORE.search(window.line(end)[-200:])
        for end in window.places(window.string(length), above)
    )


def _is_likely(window: Window, rule: SyntaxRule, start: int, end: int) -> bool:
    """Whether the text alone lets `rule` hold for the name at [start, end)."""
    shape = rule.names[window.text[start:end]]
    if not _FOLLOWS[shape].match(window.text, end):
        return False
    if shape == "new" and "new" not in window.text[max(0, start - 80) : start]:
        return False
    if rule.argument == 0 and Origin.FIXED not in rule.origins and _LITERAL.match(window.text, end):
        return False
    before = _CHAIN.search(window.text, max(0, start - 80), start)
    if before is not None and shape == "call" and rule.on is not None:
        receiver = before[1].rstrip(".:>?-")
        if not _is_on(window, rule.on, receiver, start):
            return False
    return window.holds(rule.near, is_wanted=True) and window.holds(
        rule.unless_near, is_wanted=False
    )


def _fits(window: Window, rule: SyntaxRule, use: Use) -> bool:
    """Whether what stands around the argument lets the rule hold."""
    whole = window.text[use.name.end_byte : min(use.end, use.name.end_byte + MOST_CALL_CHARS)]
    return (rule.having is None or bool(rule.having.search(whole))) and (
        rule.unless is None or not rule.unless.search(whole)
    )


def _finding(
    window: Window, rule: SyntaxRule, use: Use, judged: Node | None, origin: Origin
) -> Finding | None:
    """What is blamed, as far as the suggestion brings it in."""
    blamed = use.name if rule.is_name_blamed or judged is None else judged
    place = _clipped(window, blamed)
    if place is None and judged is not None:
        blamed, place = judged, _clipped(window, judged)
    if place is None:
        return None
    start, end = place
    is_whole = end - start == blamed.end_byte - blamed.start_byte
    is_mine = rule.is_name_blamed == (blamed is use.name)
    is_idle = rule.is_about_secrets and not _is_for_security(window, use)
    is_weak = is_idle or (origin == Origin.UNKNOWN and not rule.is_certain)
    return Finding(
        "insecure",
        rule.rule,
        rule.cwe,
        start - window.start + window.offset,
        end - window.start + window.offset,
        rule.message,
        rule.replacement if is_whole and is_mine and not is_idle else None,
        "low" if is_weak else rule.severity,
    )


def _clipped(window: Window, node: Node) -> tuple[int, int] | None:
    start, end = max(node.start_byte, window.start), min(node.end_byte, window.end)
    return (start, end) if start < end else None


def _is_on(window: Window, pattern: re.Pattern[str], receiver: str, before: int) -> bool:
    """Whether the receiver, or the type that the window declares for it, looks like `pattern`."""
    if pattern.search(receiver):
        return True
    name = _NAME_AT_END.search(receiver)
    for end in window.places(name[1] if name else "", before):
        given = _GIVEN.match(window.text, end)
        declared = _DECLARED.search(window.line(end)[-150:])
        if any(found and pattern.search(found[1]) for found in (given, declared)):
            return True
    return False


def _is_for_security(window: Window, use: Use) -> bool:
    """Whether the statement, or the function around it, speaks of secrets."""
    start = max(0, window.text.rfind("\n", 0, use.name.start_byte))
    head = window.text[max(0, start - HEAD_CHARS) : start]
    opened = head.rfind("{")
    first = head[head.rfind("\n", 0, opened) + 1 : opened] if opened >= 0 else ""
    return bool(_SECURITY.search(first + window.text[start : use.end + 40]))
