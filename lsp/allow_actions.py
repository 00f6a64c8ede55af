"""The code actions that let a finding pass: once, on a line, in a folder, or anywhere."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from lsp.documents import Document

ALLOW = "unsay.allow"
ALLOW_ONCE = "unsay.allowOnce"

_COMMENTS = {
    "python": "#", "shellscript": "#", "yaml": "#", "toml": "#", "ruby": "#", "dockerfile": "#",
    "makefile": "#", "r": "#", "perl": "#", "sql": "--", "lua": "--", "haskell": "--", "ini": ";",
}  # fmt: skip
_BRACKETED = {"html": ("<!-- ", " -->"), "xml": ("<!-- ", " -->"), "css": ("/* ", " */")}


def actions(
    document: Document,
    rule: str,
    line: int,
    root: str | None,
    diagnostics: Sequence[types.Diagnostic] = (),
) -> list[types.CodeAction]:
    """Allow `rule` on this line, in the workspace, anywhere."""
    found = list(diagnostics) or None
    here = types.CodeAction(
        title=f"Allow {rule} on this line",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=found,
        edit=types.WorkspaceEdit(changes={document.uri: [_comment(document, rule, line)]}),
    )
    scopes = [(f"Allow {rule} in this workspace", [rule, root])] if root is not None else []
    scopes.append((f"Never block {rule}", [rule]))
    return [here, *(_command(title, ALLOW, given, found) for title, given in scopes)]


def once() -> types.CodeAction:
    """Show, this time, what was held back."""
    return _command("Allow once: show what was held back", ALLOW_ONCE, [], None)


def _command(
    title: str, command: str, given: list[str], diagnostics: list[types.Diagnostic] | None
) -> types.CodeAction:
    return types.CodeAction(
        title=title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=diagnostics,
        command=types.Command(title=title, command=command, arguments=list(given)),
    )


def _comment(document: Document, rule: str, line: int) -> types.TextEdit:
    """The comment at the end of the line, where `server.guard.allow` reads it."""
    language = document.language_id or ""
    before, after = _BRACKETED.get(language, (_COMMENTS.get(language, "//") + " ", ""))
    lines = document.text.split("\n")
    text = lines[line].rstrip("\r") if line < len(lines) else ""
    end = sum(len(one) + 1 for one in lines[:line]) + len(text)
    gap = "  " if text and not text[-1].isspace() else ""
    return types.TextEdit(
        range=document.places.range(end, end), new_text=f"{gap}{before}unsay: allow[{rule}]{after}"
    )
