"""Lets a rule pass from now on, in a folder or anywhere."""

from __future__ import annotations

from lsp.answers import Json
from lsp.errors import NothingToUnsay
from lsp.session import Session


async def allow(session: Session, rule: str | None, folder: str | None) -> Json:
    """Never report `rule` again: in `folder`, or anywhere without one."""
    if not rule:
        raise NothingToUnsay("no rule is named: use the code action on a finding, or `unsay allow`")
    body = {"rule": rule} if folder is None else {"rule": rule, "folder": folder}
    answer = await session.connection.post("/v1/allow", body)
    session.cache.clear()
    for uri in session.kept.allow(rule):
        session.publish(uri)
    where = "anywhere" if folder is None else f"in {folder}"
    session.tell(f"Unsay reports {rule} no more {where}; take it back with `unsay allow --remove`.")
    return answer
