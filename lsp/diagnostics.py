"""What the guard still says of taken text, as squiggles, quick fixes and "Unsay this"."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from lsp import allow_actions
from lsp.answers import Mark
from lsp.documents import Document
from lsp.kept import Kept
from lsp.spans import Span

SOURCE = "unsay"
UNSAY_SELECTION = "unsay.unsaySelection"

_SEVERITY = {
    "low": types.DiagnosticSeverity.Information,
    "medium": types.DiagnosticSeverity.Warning,
    "high": types.DiagnosticSeverity.Error,
}

Marked = tuple[Kept, Span, Mark]


def of(document: Document, marked: Sequence[Marked]) -> list[types.Diagnostic]:
    return [_diagnostic(document, span, mark) for _, span, mark in marked]


def code_actions(
    document: Document,
    marked: Sequence[Marked],
    start: int,
    end: int,
    only: Sequence[str] | None,
    root: str | None,
) -> list[types.CodeAction]:
    """Quick fixes for the marks at `[start, end)`, and "Unsay this" for a selection.

    `root` is the workspace's folder around the document.
    """
    actions: list[types.CodeAction] = []
    if _wanted("quickfix", only):
        for _, span, mark in marked:
            if span.overlaps(start, end):
                actions.extend(_fixes(document, span, mark, root))
    if _wanted("refactor", only) and document.text[start:end].strip():
        actions.append(
            types.CodeAction(
                title="Unsay this",
                kind=types.CodeActionKind.Refactor,
                command=_unsay("Unsay this", document, start, end),
            )
        )
    return actions


def _fixes(document: Document, span: Span, mark: Mark, root: str | None) -> list[types.CodeAction]:
    found = [_diagnostic(document, span, mark)]
    actions: list[types.CodeAction] = []
    if mark.replacement is not None:
        edit = types.TextEdit(
            range=document.places.range(span.start, span.end), new_text=mark.replacement
        )
        actions.append(
            types.CodeAction(
                title=f"Replace ({mark.rule})",
                kind=types.CodeActionKind.QuickFix,
                diagnostics=found,
                is_preferred=True,
                edit=types.WorkspaceEdit(changes={document.uri: [edit]}),
            )
        )
    title = f"Unsay this ({mark.rule})"
    actions.append(
        types.CodeAction(
            title=title,
            kind=types.CodeActionKind.QuickFix,
            diagnostics=found,
            command=_unsay(title, document, span.start, span.end),
        )
    )
    actions += allow_actions.actions(document, mark.rule, found[0].range.end.line, root, found)
    return actions


def _unsay(title: str, document: Document, start: int, end: int) -> types.Command:
    place = document.places.range(start, end)
    as_json = {
        "start": {"line": place.start.line, "character": place.start.character},
        "end": {"line": place.end.line, "character": place.end.character},
    }
    return types.Command(title=title, command=UNSAY_SELECTION, arguments=[document.uri, as_json])


def _diagnostic(document: Document, span: Span, mark: Mark) -> types.Diagnostic:
    tags = [types.DiagnosticTag.Deprecated] if mark.kind == "deprecated" else None
    return types.Diagnostic(
        range=document.places.range(span.start, span.end),
        message=mark.message,
        severity=_SEVERITY.get(mark.severity, types.DiagnosticSeverity.Warning),
        code=mark.rule,
        source=SOURCE,
        tags=tags,
    )


def wanted(only: Sequence[str] | None) -> bool:
    """Whether the editor asked for quick fixes."""
    return _wanted("quickfix", only)


def _wanted(kind: str, only: Sequence[str] | None) -> bool:
    """Whether the editor asked for actions of `kind`: a kind covers those below it."""
    return not only or any(kind == each or kind.startswith(f"{each}.") for each in only)
