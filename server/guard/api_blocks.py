"""Cuts a source file into its top-level statements: only those with a mention are parsed."""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

MENTIONS = (b"eprecat", b"EPRECAT", b"FutureWarning", b"been removed", b"was removed")
_MENTION = re.compile(b"|".join(MENTIONS))
_START = re.compile(rb"^(?:[A-Za-z_@])", re.MULTILINE)
_GOES_ON = re.compile(rb"(?:else|elif|except|finally)\b")
_DEFINES = re.compile(rb"@|(?:async\s+)?def\s|class\s")
_WORTH_PARSING = re.compile(rb"@|(?:async\s+)?def\s|class\s|if\s|try\s*:|\w+\s*(?::[^=\n]+)?=")
_DEFINED = re.compile(rb"^(?:(?:async\s+)?def|class)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=", re.MULTILINE)
_IMPORTED = re.compile(
    rb"^(?:    )?from\s+[.\w]+\s+import\s+(\([^)]*\)|[^\n\\]*(?:\\\n[^\n\\]*)*)", re.MULTILINE
)
_AS = re.compile(rb"(\w+)(?:\s+as\s+(\w+))?")


def mentions_deprecation(source: bytes) -> bool:
    """Whether anything in the file may be deprecated."""
    return any(mention in source for mention in MENTIONS)


@dataclass
class Blocks:
    """The top-level statements of one file."""

    source: bytes
    _parsed: dict[str, ast.stmt | None] = field(default_factory=dict[str, "ast.stmt | None"])

    def mentioning(self) -> list[ast.stmt]:
        """The statements that may deprecate something.

        Raises SyntaxError, ValueError, RecursionError or MemoryError for a broken file.
        """
        wanted = sorted({self._block(match.start()) for match in _MENTION.finditer(self.source)})
        statements: list[ast.stmt] = []
        for index in wanted:
            text = self._text(index)
            if not _WORTH_PARSING.match(text):
                continue
            try:
                statements += parse(text)
            except SyntaxError:
                if _DEFINES.match(text):  # cut inside a string: what looked like a start was none
                    return parse(self.source)
        return statements

    def defines(self, name: str) -> bool:
        """Whether the file defines or imports `name` at its top."""
        return name in self._names

    def is_whole(self, path: str, module: str, body: list[ast.stmt]) -> bool:
        """Whether `body` has every definition of a function at the top of the file.

        An overload that is not deprecated does not mention it, and so was not parsed.
        """
        name = path[len(module) + 1 :]
        if "." in name:
            return True
        pattern = rb"(?m)^(?:    )?(?:async\s+)?def\s+%s\b" % re.escape(name.encode())
        overloads = [
            node
            for node in body
            if isinstance(node, ast.FunctionDef)
            and node.name == name
            and any("overload" in ast.dump(mark) for mark in node.decorator_list)
        ]
        return not overloads or len(re.findall(pattern, self.source)) == len(overloads)

    @cached_property
    def _names(self) -> frozenset[str]:
        found = {(a or b).decode() for a, b in _DEFINED.findall(self.source)}
        for match in _IMPORTED.finditer(self.source):
            text = re.sub(rb"#[^\n]*", b"", match[1])
            found |= {(alias or name).decode() for name, alias in _AS.findall(text)}
        return frozenset(found)

    def definition(self, name: str) -> ast.stmt | None:
        """The top-level function or class `name`."""
        if name not in self._parsed:
            self._parsed[name] = self._find(name)
        return self._parsed[name]

    @cached_property
    def _starts(self) -> list[int]:
        starts: list[int] = []
        is_decorated = False
        for match in _START.finditer(self.source):
            at = match.start()
            if not is_decorated and not _GOES_ON.match(self.source, at):
                starts.append(at)
            is_decorated = self.source[at : at + 1] == b"@"
        return starts

    def _block(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1

    def _text(self, index: int) -> bytes:
        if index < 0:
            return b""
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(self.source)
        return self.source[self._starts[index] : end]

    def _find(self, name: str) -> ast.stmt | None:
        match = re.search(rb"(?m)^(?:(?:async\s+)?def|class)\s+%s\b" % name.encode(), self.source)
        if match is None:
            return None
        try:
            body = parse(self._text(self._block(match.start())))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        return body[0] if body else None


def parse(source: bytes) -> list[ast.stmt]:
    """The statements of some source; what Python would warn about in it is not our concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source).body
