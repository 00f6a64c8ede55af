"""The protocol's features: wait for the settings, translate, call, translate back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from lsprotocol import types

from lsp import allow_actions, diagnostics, verdicts
from lsp.config import with_settings
from lsp.cursor import Cursor
from lsp.documents import Document
from lsp.editor_commands import COMMANDS, Command
from lsp.errors import ConfigInvalid, LspError, ServerTrouble
from lsp.greeting import TRIGGERS
from lsp.items import inline_item, list_item
from lsp.session import Session
from lsp.suggester import Lead, Request, root_of

_ALTERNATIVES = 3
"""For a person who asked by hand and may want to choose."""

_IGNORE_FILES = (".gitignore", ".unsayignore")

Feature = Callable[[Any], Awaitable[Any]]


def register(session: Session) -> None:
    """Tell pygls of everything we do."""
    editor = session.editor
    features: dict[str, tuple[Feature, Any]] = {
        types.INITIALIZED: (lambda _: _initialized(session), None),
        types.WINDOW_WORK_DONE_PROGRESS_CANCEL: (
            lambda params: _bar_closed(session, params.token),
            None,
        ),
        types.SHUTDOWN: (lambda _: session.end(), None),
        types.WORKSPACE_DID_CHANGE_CONFIGURATION: (
            lambda params: _reconfigure(session, params.settings),
            None,
        ),
        types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: (lambda _: _refolder(session), None),
        types.TEXT_DOCUMENT_DID_OPEN: (lambda params: _opened(session, params), None),
        types.TEXT_DOCUMENT_DID_CHANGE: (lambda params: _changed(session, params), None),
        types.TEXT_DOCUMENT_DID_SAVE: (lambda params: _saved(session, params), None),
        types.TEXT_DOCUMENT_DID_CLOSE: (lambda params: _closed(session, params), None),
        types.TEXT_DOCUMENT_INLINE_COMPLETION: (
            lambda params: inline_completion(session, params),
            types.InlineCompletionOptions(),  # without options no editor would ever ask
        ),
        types.TEXT_DOCUMENT_COMPLETION: (
            lambda params: completion(session, params),
            types.CompletionOptions(trigger_characters=list(TRIGGERS)),
        ),
        types.TEXT_DOCUMENT_CODE_ACTION: (
            lambda params: code_action(session, params),
            types.CodeActionOptions(
                code_action_kinds=[types.CodeActionKind.QuickFix, types.CodeActionKind.Refactor]
            ),
        ),
    }

    @editor.feature(types.INITIALIZE)
    def _(params: types.InitializeParams) -> None:  # pyright: ignore[reportUnusedFunction]
        # not async: the messages behind this one must find our documents in place
        session.begin(params)
        _configure(session, params.initialization_options)

    for name, (feature, options) in features.items():
        editor.feature(name, options)(_guarded(session, name, feature))
    for name, command in COMMANDS.items():
        editor.command(name)(_guarded_command(session, name, command))


async def inline_completion(
    session: Session, params: types.InlineCompletionParams
) -> types.InlineCompletionList | None:
    """Ghost text at the cursor."""
    document = session.editor.documents.document(params.text_document.uri)
    if document is None:
        return None
    invoked = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    selected = params.context.selected_completion_info
    request = _request(document, params.position, invoked, selected)
    offers = await session.newest.run(("inline", document.uri), _offers(session, request))
    if not offers:
        return None
    items = [inline_item(document, request.cursor, offer, selected) for offer in offers]
    return types.InlineCompletionList(items=items)


async def completion(
    session: Session, params: types.CompletionParams
) -> types.CompletionList | None:
    """The same in the completion list, for an editor that has no ghost text."""
    fallback = session.config.completion_fallback
    if fallback == "never" or (fallback == "auto" and session.has_inline_completion):
        return None
    document = session.editor.documents.document(params.text_document.uri)
    if document is None:
        return None
    request = _request(document, params.position, False, None)
    offers = await session.newest.run(("list", document.uri), _offers(session, request))
    items = [
        list_item(document, request.cursor, offer, as_snippet=session.has_snippets)
        for offer in offers or []
    ]
    return types.CompletionList(is_incomplete=True, items=items)


async def code_action(
    session: Session, params: types.CodeActionParams
) -> list[types.CodeAction] | None:
    document = session.editor.documents.document(params.text_document.uri)
    if document is None:
        return None
    start, end = document.places.span(params.range)
    if start == end:  # editors ask for actions wherever the cursor comes to rest
        _warm(session, document, start)
    marked = session.kept.marks(document.uri)
    only, root = params.context.only, root_of(document, session.suggester.roots)
    actions = diagnostics.code_actions(document, marked, start, end, only, root)
    held = session.explained
    if held is not None and held.is_held_back_in(document.uri) and diagnostics.wanted(only):
        actions.append(allow_actions.once())
        actions += allow_actions.actions(document, held.rule, params.range.start.line, root)
    return actions


def _request(
    document: Document,
    position: types.Position,
    invoked: bool,
    selected: types.SelectedCompletionInfo | None,
) -> Request:
    offset = document.places.offset(position)
    alternatives = _ALTERNATIVES if invoked else 1
    if selected is None:
        cursor = Cursor(document.text[:offset], document.text[offset:])
        return Request(document, cursor, invoked, alternatives)
    start, end = document.places.span(selected.range)
    typed = document.text[start:offset]
    lead = Lead(selected.text, start, len(typed) if selected.text.startswith(typed) else 0)
    cursor = Cursor(document.text[:start] + selected.text, document.text[max(end, offset) :])
    return Request(document, cursor, invoked, alternatives, lead)


async def _offers(session: Session, request: Request) -> list[Any]:
    offers, fresh = await session.suggester.offers(request)
    session.answered(request.document.uri, fresh)
    verdicts.expect(session, request.document.uri, fresh)
    session.shown(request.document, offers, len(request.cursor.after))
    return offers


async def _opened(session: Session, params: types.DidOpenTextDocumentParams) -> None:
    document = session.editor.documents.document(params.text_document.uri)
    if document is not None:
        _warm(session, document, 0)


def _warm(session: Session, document: Document, offset: int) -> None:
    """Have the server read on from the newest place in the document, beside all else."""

    async def work() -> None:
        await session.newest.run(("warm", document.uri), session.warmer.warm(document, offset))

    session.spawn("warm", work())


async def _changed(session: Session, params: types.DidChangeTextDocumentParams) -> None:
    document = session.editor.documents.document(params.text_document.uri)
    if document is not None:
        session.edited(document)


async def _saved(session: Session, params: types.DidSaveTextDocumentParams) -> None:
    if params.text_document.uri.rpartition("/")[2] in _IGNORE_FILES:
        session.exclusion.forget()


async def _closed(session: Session, params: types.DidCloseTextDocumentParams) -> None:
    session.closed(params.text_document.uri)


async def _bar_closed(session: Session, token: str | int) -> None:
    session.closed_bars.add(token)


async def _refolder(session: Session) -> None:
    session.configure(session.config)


async def _initialized(session: Session) -> None:
    await _reconfigure(session, None)
    session.keeper.begin()
    if session.can_register_configuration:
        watch = types.Registration(
            id="unsay-configuration",
            method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
            register_options={"section": "unsay"},
        )
        await session.editor.client_register_capability_async(types.RegistrationParams([watch]))


async def _reconfigure(session: Session, pushed: object) -> None:
    """Read the settings anew: from the editor where it answers, else what it pushed."""
    if session.has_configuration:
        section = types.ConfigurationItem(section="unsay")
        found = await session.editor.workspace_configuration_async(
            types.ConfigurationParams(items=[section])
        )
        _configure(session, found[0] if found else None)
    elif isinstance(pushed, Mapping):
        settings = cast(Mapping[str, object], pushed)
        _configure(session, settings.get("unsay", settings))
    session.configure(session.config)


def _configure(session: Session, settings: object) -> None:
    """Lay an editor's settings over the present ones; a wrong one is told and not taken."""
    try:
        session.config = with_settings(session.config, settings)
    except ConfigInvalid as invalid:
        session.complain(str(invalid))


def _guarded(session: Session, name: str, feature: Feature) -> Feature:
    """The edge: our errors become a status, all others a line in the event log without text."""

    async def handler(params: Any) -> Any:
        try:
            if name.startswith("textDocument/") and "did" not in name:
                await session.configured()
            return await feature(params)
        except asyncio.CancelledError:
            raise
        except ServerTrouble as trouble:
            session.log.write("trouble", where=name, error=type(trouble).__name__)
            session.keeper.look()
        except LspError as error:
            session.complain(str(error))
        except Exception as error:
            session.failed(name, error)
        return None

    return handler


def _guarded_command(session: Session, name: str, command: Command) -> Callable[..., Any]:
    async def handler(*given: Any) -> Any:
        try:
            await session.configured()
            return await command(session, given)
        except LspError as error:
            session.log.write("refused", where=name, error=type(error).__name__)
            session.complain(str(error))
        except Exception as error:
            session.failed(name, error)
            session.complain("Unsay could not do this; the setting unsay.eventLog shows more.")
        return None

    return handler
