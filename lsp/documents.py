"""The open documents as the editor has them, and what was edited in them since last asked."""

from __future__ import annotations

import time

from lsprotocol import types
from pygls.workspace import TextDocument, Workspace

from lsp.positions import Lines
from lsp.spans import Edit, smallest_edit


class Document(TextDocument):
    """One open text. Replaces pygls' own application of changes; see `lsp.positions` for why."""

    changed_at: float = 0.0
    """`time.monotonic()` of the last change, 0 before the first."""

    _edits: list[Edit] | None = None
    _lines: Lines | None = None

    @property
    def text(self) -> str:
        return self.source

    @property
    def places(self) -> Lines:
        """The present text's lines, for positions."""
        if self._lines is None:
            self._lines = Lines(self.text, self.position_codec)
        return self._lines

    def apply_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        before = self.text
        start, end = 0, len(before)
        if isinstance(change, types.TextDocumentContentChangePartial):
            start, end = self.places.span(change.range)
        self._source = before[:start] + change.text + before[end:]
        self._lines = None
        edits = self._edits or []
        edits.append(smallest_edit(start, before[start:end], change.text))
        self._edits = edits
        self.changed_at = time.monotonic()

    def take_edits(self) -> list[Edit]:
        """The edits since the last call, in order; each refers to the text before it."""
        edits, self._edits = self._edits or [], None
        return edits


class Documents(Workspace):
    """The workspace, made of our documents."""

    def _create_text_document(
        self,
        doc_uri: str,
        source: str | None = None,
        version: int | None = None,
        language_id: str | None = None,
    ) -> Document:
        return Document(
            doc_uri,
            source="" if source is None else source,  # never read a file the editor did not open
            version=version,
            language_id=language_id,
            sync_kind=types.TextDocumentSyncKind.Incremental,
            position_codec=self.position_codec,
        )

    def document(self, uri: str) -> Document | None:
        """The open document `uri`, None when the editor has not opened it."""
        found = self.get_text_document(uri)
        return found if isinstance(found, Document) and found.version is not None else None

    @property
    def roots(self) -> list[str]:
        """The paths of the workspace's folders, the longest first."""
        from pygls.uris import to_fs_path

        uris = [folder.uri for folder in self.folders.values()]
        if not uris and self.root_uri is not None:
            uris = [self.root_uri]
        paths = [path for uri in uris if (path := to_fs_path(uri)) is not None]
        return sorted(paths, key=len, reverse=True)
