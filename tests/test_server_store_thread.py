"""The database's thread: in order, without waiting, and honest about what it could not keep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from server.store_thread import StoreThread
from store import ledger
from store.database import Database, open_database
from store.errors import DatabaseFull, NotFound
from store.home import Home

Said = list[tuple[str, str | None]]


@pytest_asyncio.fixture
async def said() -> Said:
    return []


@pytest_asyncio.fixture
async def store(tmp_path: Path, said: Said) -> AsyncGenerator[StoreThread]:
    made = StoreThread(
        open_database(Home(tmp_path)), lambda subject, reason: said.append((subject, reason))
    )
    yield made
    await asyncio.to_thread(made.close)


async def test_what_is_left_for_later_is_done_before_what_is_asked_after_it(
    store: StoreThread,
) -> None:
    order: list[int] = []

    def note(db: Database, number: int) -> None:
        order.append(number)

    for number in range(5):
        store.later(note, number)
    await store.call(note, 5)

    assert order == [0, 1, 2, 3, 4, 5]


async def test_an_error_reaches_whoever_asked(store: StoreThread) -> None:
    with pytest.raises(NotFound):
        await store.call(ledger.get, "none")


async def test_what_could_not_be_kept_is_said_until_something_could(
    store: StoreThread, said: Said
) -> None:
    def full(db: Database) -> None:
        raise DatabaseFull(db.path, "disk full")

    store.later(full)
    store.later(ledger.version)
    await store.call(ledger.version)
    await asyncio.sleep(0.05)

    assert [subject for subject, _ in said] == ["store", "store"]
    assert "not recorded" in (said[0][1] or "") and "free some space" in (said[0][1] or "")
    assert said[1][1] is None


async def test_a_mistake_of_ours_is_logged_without_its_message(
    store: StoreThread, said: Said, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(db: Database, prompt: str) -> None:
        raise RuntimeError(prompt)

    store.later(wrong, "the user's prompt")
    await store.call(ledger.version)
    await asyncio.sleep(0.05)

    assert "the user's prompt" not in caplog.text
    assert "RuntimeError" in caplog.text
    assert (said[0][1] or "").split()[-4] in caplog.text


async def test_changes_are_read_at_once_only_when_nothing_waits(store: StoreThread) -> None:
    waiting = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(db: Database) -> None:
        asyncio.run_coroutine_threadsafe(waiting.wait(), loop).result()

    store.later(slow)
    busy = store.changes_if_idle()
    waiting.set()
    await store.call(ledger.version)

    assert busy is None
    assert store.changes_if_idle() is not None
