"""Makes an unfinished Python file parse, so that a checker looks at it at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from server.guard.finding import Case
from server.guard.python_syntax import import_lines, syntax_tree
from server.guard.stitched import Stitched

MOST_BEFORE_CHARS = 8_000
MOST_AFTER_CHARS = 2_000
_PIECE = re.compile(
    r"""(?s)(?P<long>(?P<q>\"{3}|'{3})(?:\\.|(?!(?P=q)).)*(?P<longend>(?P=q)|$))"""
    r"""|(?P<short>"(?:\\.|[^"\\\n])*(?P<dq>"|$|(?=\n))"""
    r"""|'(?:\\.|[^'\\\n])*(?P<sq>'|$|(?=\n)))"""
    r"""|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])"""
)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_TOP = re.compile(r"(?m)^(?:@|def |class |async def |if |for |while |with |try:|[A-Za-z_])")
_TRY = re.compile(r"try\s*:\s*(?:#.*)?$")
_HANDLED = re.compile(r"(?:except|finally)\b")
_KNOWN_MODULE = re.compile(
    r"(?<![\w.])(hashlib|subprocess|os|pickle|cPickle|marshal|shelve|dill|yaml|requests|httpx|random|ssl"
    r"|tempfile|telnetlib|ftplib|paramiko|jinja2|tarfile|commands|popen2|jsonpickle|pandas|torch)(?=\.\w)"
)
_HEAD = re.compile(r":\s*(?:#.*)?$")


def documents(case: Case) -> Iterator[Stitched]:
    """Ways to stitch the suggestion into a file, best first: the first that parses counts.

    The whole file; the file up to the cursor, closed; the imports and the block at the cursor; the
    imports and the line at the cursor.
    """
    head = ""
    before = case.prefix
    if len(before) > MOST_BEFORE_CHARS:
        cut = before.find("\n", len(before) - MOST_BEFORE_CHARS) + 1 or len(before)
        top = _TOP.search(before, cut)
        cut = top.start() if top is not None else cut
        head, before = import_lines(before[:cut]), before[cut:]
    if before[:1] in (" ", "\t"):  # it begins in the middle of a block
        top = _TOP.search(before)
        before = "if True:\n" + before if top is None else before[top.start() :]
    head = _missing_imports(case) + head
    suggestion = _without_marks(case.suggestion)
    yield _stitch(head + before, suggestion, _whole_statements(case.suffix))
    rest = case.suffix[:500].split("\n", 1)[0]
    for end in (rest, ""):
        for start in (head + before, import_lines(head + before) + _last_block(before)):
            middle = Stitched(start + suggestion + end, len(start), len(start + suggestion))
            yield Stitched(middle.text + closing(middle.text), middle.start, middle.end)
    line = before[before.rfind("\n") + 1 :]
    start = import_lines(head + before) + "if True:\n " + (line or " ")
    alone = Stitched(start + suggestion, len(start), len(start + suggestion))
    yield Stitched(alone.text + closing(alone.text), alone.start, alone.end)


def parses(text: str) -> bool:
    """Whether `text` is complete Python to tree-sitter, which is quick but not always right."""
    return not syntax_tree(text).has_error


def closing(text: str) -> str:
    """What must follow `text` so that its open string, brackets and blocks are complete."""
    added, stack = "", list[str]()
    for piece in _PIECE.finditer(text):
        kind = piece.lastgroup
        if piece["open"]:
            stack.append(piece["open"])
        elif piece["close"]:
            if stack:
                stack.pop()
        elif piece["long"] and not piece["longend"]:
            added = piece["q"]
        elif piece["short"] and not (piece["dq"] or piece["sq"]):
            if piece.end() == len(text):
                added = piece["short"][0]
        elif kind == "comment" and piece.end() == len(text):
            added = "\n"
    brackets = "".join(_CLOSES[one] for one in reversed(stack))
    if added and brackets and text.rstrip("\\") != text:
        return added + brackets
    return added + brackets + _blocks(text, closed=bool(added or brackets))


def open_string(text: str) -> str:
    """The quotes of the long string that `text` ends in; empty where it ends in code."""
    pieces = [one for one in _PIECE.finditer(text) if one["long"]]
    return "" if not pieces or pieces[-1]["longend"] else pieces[-1]["q"]


def _blocks(text: str, *, closed: bool) -> str:
    """A body for the block that the last line opens, and a `finally` for each open `try`."""
    lines = text.split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    indent = len(last) - len(last.lstrip())
    added = ""
    if _HEAD.search(last) and not last.lstrip().startswith("#"):
        added = "\n" + " " * (indent + 1) + "pass"
    elif last.lstrip().startswith("@") and not closed:
        added = "\n" + " " * indent + "def _(): pass"
    level = indent + 1
    for line in reversed(lines):
        stripped = line.lstrip()
        depth = len(line) - len(stripped)
        if not stripped or stripped.startswith("#") or depth >= level:
            continue
        level = depth if not _HANDLED.match(stripped) else level
        if _HANDLED.match(stripped):
            level = depth  # the try above this line is complete
            continue
        if _TRY.match(stripped):
            added += "\n" + line[:depth] + "finally: pass"
        if depth == 0:
            break
    return added


def _stitch(before: str, suggestion: str, after: str) -> Stitched:
    return Stitched(before + suggestion + after, len(before), len(before + suggestion))


def _whole_statements(suffix: str) -> str:
    """The suffix, or as much of it as fits and ends where a top-level statement begins."""
    if len(suffix) <= MOST_AFTER_CHARS:
        return suffix
    starts = [one.start() for one in _TOP.finditer(suffix, 1, MOST_AFTER_CHARS)]
    return suffix[: starts[-1] if starts else 0]


def _last_block(before: str) -> str:
    """The last top-level statement of `before`: what stands above may be what does not parse."""
    starts = [match.start() for match in _TOP.finditer(before)]
    return before[starts[-1] :] if starts else ""


def _missing_imports(case: Case) -> str:
    """Imports of well-known modules that the suggestion uses and a shortened prefix has lost."""
    used = {match[1] for match in _KNOWN_MODULE.finditer(case.prefix[-200:] + case.suggestion)}
    return "".join(
        f"import {name}\n"
        for name in sorted(used)
        if not re.search(rf"(?:import|as|,)[ \t]{{1,8}}{name}\b|\b{name}[ \t]{{0,4}}=", case.prefix)
    )


def _without_marks(suggestion: str) -> str:
    """The suggestion with checkers' off switches made harmless: only the user may write them."""
    return re.sub(r"(?i)noqa|nosec", lambda match: "x" * len(match[0]), suggestion)
