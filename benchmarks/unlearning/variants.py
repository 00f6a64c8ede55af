"""The place of an item as somebody else would have written it: other names, other formatting.

The blamed text stays as it is, and so does what it needs to mean the same.
"""

from __future__ import annotations

import builtins
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.unlearning.code_edits import Edit, Piece, edited, pieces
from store.records import Item
from unlearn.scores import parses

NEW_NAMES = (
    "holder outcome portion marker entity segment element origin purpose subject detail "
    "figure context bundle extent feature material product quantity variant surface position "
    "interval reference selection structure direction condition character property"
)
NOTES = ("checked by hand", "see the notes", "as agreed", "keep in step with the docs")
FIXED = {*dir(builtins), "self", "cls", "args", "kwargs"}
BOUND = re.compile(
    r"(?:^|\n)[ \t]*(?:async[ ]+)?(?:def|class)[ ]+(\w+)"
    r"|(?:^|\n)[ \t]*(?:self\.)?(\w+)(?:[ ]*:[^=\n]+)?[ ]*=(?!=)"
    r"|\bfor[ ]+(\w+)(?:,[ ]*(\w+))?[ ]+in\b"
    r"|\bas[ ]+(\w+)[ ]*:"
)
PARAMETERS = re.compile(r"\bdef[ ]+\w+\(([^()]*)\)")
BRACES = re.compile(r"(?<!\{)\{(?!\{)[^{}]*\}")


def variants(item: Item, seed: int = 0) -> tuple[Item, ...]:
    """The item with identifiers renamed, with the formatting changed, and with both.

    Fewer where nothing could be changed: what did not change is no variant.
    """
    name_change = renamed(item, seed)
    found = [
        replace(one, id=f"{item.id}/{name}")
        for name, one in (
            ("renamed", name_change),
            ("reformatted", reformatted(item, seed)),
            ("both", reformatted(name_change, seed)),
        )
    ]
    places = [(item.prefix, item.suffix)]
    kept: list[Item] = []
    for one in found:
        if (one.prefix, one.suffix) not in places:
            places.append((one.prefix, one.suffix))
            kept.append(one)
    return tuple(kept)


def renamed(item: Item, seed: int) -> Item:
    """Every name that the place binds itself gets another, everywhere outside the blamed span.

    Names in the blamed text or in its replacement stay, as do imports, attributes of others,
    keyword arguments and what Python itself names.
    """
    return _changed(item, lambda text, blamed: _renames(item, text, blamed, seed))


def reformatted(item: Item, seed: int) -> Item:
    """Other quotes, blank lines and comments, and no blank after a comma."""
    return _changed(item, lambda text, blamed: _layout(text, blamed, seed))


def _changed(item: Item, edits: Callable[[str, tuple[int, int]], list[Edit]]) -> Item:
    prefix, target, suffix = item.prefix or "", item.target or "", item.suffix or ""
    text, at = prefix + target + suffix, len(prefix)
    blamed = at + item.start, at + item.end
    marks = [at, *blamed, at + len(target)]
    new, (start, low, high, end) = edited(text, edits(text, blamed), marks)
    if parses(text) and not parses(new):
        return item
    return replace(
        item,
        prefix=new[:start],
        target=new[start:end],
        suffix=new[end:],
        start=low - start,
        end=high - start,
    )


def _renames(item: Item, text: str, blamed: tuple[int, int], seed: int) -> list[Edit]:
    chance = random.Random(f"{seed} {item.id}")
    kept = set(re.findall(r"\w+", f"{item.blamed} {item.replacement}")) | FIXED
    cut = pieces(text)
    bound = [
        name for name in _bound(text) if name not in kept and len(name) > 1 and name[:2] != "__"
    ]
    imported = _imported(cut)
    bound = [name for name in dict.fromkeys(bound) if name not in imported]
    words = chance.sample(NEW_NAMES.split(), len(NEW_NAMES.split()))
    fresh = (word if n == 0 else f"{word}_{n}" for n in range(99) for word in words)
    there = set(re.findall(r"\w+", text))
    new = {name: _cased(next(word for word in fresh if word not in there), name) for name in bound}
    return [edit for edit in _replaced(cut, new) if _is_outside(edit, blamed)]


def _bound(text: str) -> Iterator[str]:
    for match in BOUND.finditer(text):
        yield from (name for name in match.groups() if name)
    for match in PARAMETERS.finditer(text):
        yield from re.findall(r"(?:^|,)\s*\**(\w+)", match[1])


def _imported(cut: list[Piece]) -> set[str]:
    """Names on import lines."""
    found: set[str] = set()
    line: list[Piece] = []
    for piece in [*cut, Piece("newline", "\n", 0, 0)]:
        if piece.kind == "newline" and piece.depth == 0:
            if line and line[0].text in ("import", "from"):
                found |= {one.text for one in line if one.kind == "name"}
            line = []
        elif piece.kind != "space" and piece.kind != "newline":
            line.append(piece)
    return found


def _replaced(cut: list[Piece], new: dict[str, str]) -> Iterator[Edit]:
    words = [piece for piece in cut if piece.kind not in ("space", "newline")]
    in_def = False
    for i, piece in enumerate(words):
        before = words[i - 1].text if i else ""
        after = words[i + 1].text if i + 1 < len(words) else ""
        if piece.depth == 0:
            in_def = piece.text == "def" or (in_def and piece.text not in (":", "return"))
        if piece.kind == "string" and "f" in piece.text[:2].lower():
            yield from _in_braces(piece, new)
        if piece.text not in new or not piece.is_identifier:
            continue
        is_keyword_argument = piece.depth > 0 and after == "=" and not in_def
        of_other = before == "." and (i < 2 or words[i - 2].text != "self")
        if not is_keyword_argument and not of_other:
            yield Edit(piece.start, piece.end, new[piece.text])


def _in_braces(string: Piece, new: dict[str, str]) -> Iterator[Edit]:
    for braces in BRACES.finditer(string.text):
        for word in re.finditer(r"(?<![\w.])[^\W\d]\w*|(?<=self\.)\w+", braces[0]):
            if word[0] in new:
                at = string.start + braces.start() + word.start()
                yield Edit(at, at + len(word[0]), new[word[0]])


def _cased(word: str, like: str) -> str:
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


def _layout(text: str, blamed: tuple[int, int], seed: int) -> list[Edit]:
    chance = random.Random(f"{seed} {len(text)}")
    cut = pieces(text)
    edits: list[Edit] = []
    for i, piece in enumerate(cut):
        after = cut[i + 1] if i + 1 < len(cut) else None
        if piece.kind == "string" and "\n" not in piece.text:
            edits += _other_quotes(piece)
        elif piece.text == "," and after is not None and after.kind == "space":
            edits.append(Edit(after.start, after.end, ""))
        elif piece.kind == "comment":
            edits.append(Edit(piece.start + 1, piece.end, f" {chance.choice(NOTES)}"))
    edits += _between_lines(text, cut, chance)
    return [edit for edit in edits if _is_outside(edit, blamed)]


def _other_quotes(string: Piece) -> list[Edit]:
    body = string.text.lstrip("rRbBuUfF")
    quote, other = body[:1], {'"': "'", "'": '"'}[body[:1]]
    is_whole = len(body) > 2 and body.endswith(quote) and not body.startswith(quote * 3)
    if not is_whole or other in body or "\\" in body or "{" in body:
        return []
    start = string.end - len(body)
    return [Edit(start, start + 1, other), Edit(string.end - 1, string.end, other)]


def _between_lines(text: str, cut: list[Piece], chance: random.Random) -> Iterator[Edit]:
    """Comments and blank lines at the beginnings of statements, and fewer blank lines in a row."""
    for i, piece in enumerate(cut):
        if piece.kind != "newline" or piece.depth > 0 or i + 1 == len(cut):
            continue
        after = cut[i + 1 : i + 3]
        if after[0].kind == "newline":
            if after[-1].kind == "newline" and len(after) == 2:
                yield Edit(piece.start, piece.end, "")
        elif i and cut[i - 1].text not in (":", ",", "\\", "\n") and chance.random() < 0.4:
            indent = after[0].text if after[0].kind == "space" else ""
            line = f"{indent}# {chance.choice(NOTES)}\n" if chance.random() < 0.6 else "\n"
            if text[piece.end + len(indent) :].strip():
                yield Edit(piece.end, piece.end, line)


def _is_outside(edit: Edit, blamed: tuple[int, int]) -> bool:
    return edit.end <= blamed[0] or edit.start >= blamed[1]
