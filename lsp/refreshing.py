"""Starts a refresh and shows how far it is, where the editor can show that."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from urllib.parse import quote

from lsprotocol import types

from lsp import answers
from lsp.answers import Json, Progress
from lsp.session import Session

_SHARE = {
    "select": (0, 2),
    "teacher": (2, 8),
    "train": (10, 60),
    "gate": (70, 25),
    "promote": (95, 5),
}
"""Where each phase begins, percent of the whole, and how much it is: a guess from the demo."""


_START_S = 70.0
"""The server answers once the refresh has its run, after a minute at most on a busy machine."""


async def refresh(session: Session, mode: str | None) -> Json:
    """Start a refresh; answers its run at once and shows its progress meanwhile."""
    body = {"mode": mode} if mode else {}
    answer = await session.connection.post("/v1/refresh", body, timeout_s=_START_S)
    run = answers.mapping(answer.get("run"), "run")
    session.spawn("refresh", _follow(session, answers.progress(run)))
    return run


async def _follow(session: Session, run: Progress) -> None:
    if not session.has_progress:
        await _until_end(session, run, lambda _: True)
        return
    token = f"unsay-refresh-{uuid.uuid4().hex}"
    await session.editor.window_work_done_progress_create_async(
        types.WorkDoneProgressCreateParams(token=token)
    )
    begin = types.WorkDoneProgressBegin(
        title="Unsay: refresh", cancellable=True, percentage=0, message=run.message or run.phase
    )

    def show(value: object) -> None:
        session.editor.progress(types.ProgressParams(token=token, value=value))

    def report(now: Progress) -> bool:
        show(_report(now))
        return token not in session.closed_bars

    show(begin)
    try:
        run = await _until_end(session, run, report)
    finally:
        session.closed_bars.discard(token)
        show(types.WorkDoneProgressEnd(message=run.message or run.state))


async def _until_end(
    session: Session, run: Progress, report: Callable[[Progress], bool]
) -> Progress:
    """Follow the run to its end, or until `report` says that nobody looks any more."""
    async for name, data in session.connection.events(f"/v1/runs/{quote(run.id, safe='')}/events"):
        if "id" in data:
            run = answers.progress(data)
        if name == "end" or run.state != "running":
            break
        if not report(run):
            session.tell("The refresh goes on unseen: `unsay adapters` shows what came of it.")
            return run
    session.cache.clear()
    session.keeper.look()
    session.tell(f"Refresh {run.state.replace('_', ' ')}. {run.message}".rstrip())
    return run


def _report(run: Progress) -> types.WorkDoneProgressReport:
    begin, share = _SHARE.get(run.phase, (0, 0))
    inside = run.percentage or 0
    counted = f" {run.done}/{run.total}" if run.total > 0 else ""
    return types.WorkDoneProgressReport(
        cancellable=True,
        message=f"{run.phase}{counted} {run.message}".rstrip(),
        percentage=begin + share * inside // 100,
    )
