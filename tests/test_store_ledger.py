from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from example_records import SECRET, new_item, suggestion

from store import ledger, suggestions
from store.database import Database
from store.errors import NotFound
from store.home import Home
from store.records import Item


def test_an_item_comes_back_as_it_was_stated(db: Database) -> None:
    stated = new_item(path="a.py", suggestion="s" * 32)

    item = ledger.add(db, stated)

    assert ledger.get(db, item.id) == item
    assert {name: asdict(item)[name] for name in asdict(stated)} == asdict(stated)
    assert (item.state, item.verified, item.forgotten_in) == ("banned", 0, None)
    assert (item.blamed, item.blamed_chars) == (SECRET, 20)


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 3), (5, 4), (0, 99), (3, 4)], ids=str)
def test_a_span_that_blames_nothing_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="the blamed span"):
        new_item(start=start, end=end)


def test_the_same_text_in_the_same_place_is_one_item(db: Database) -> None:
    item = ledger.add(db, new_item())

    again = ledger.add(db, new_item(target=f"api_key='{SECRET}'", start=9, end=29))
    elsewhere = ledger.add(db, new_item(prefix="import botocore\n"))
    other = ledger.add(db, new_item(target='key = "AKIA0000000000000000"'))

    assert again == item
    assert len({item.id, elsewhere.id, other.id}) == 3
    assert elsewhere.fingerprint == item.fingerprint and elsewhere.context != item.context
    assert other.fingerprint != item.fingerprint and other.context == item.context


def test_a_forgotten_item_that_is_said_again_has_relapsed(db: Database) -> None:
    item = ledger.add(db, new_item())
    ledger.verified(db, item.id, "g000001-aa")
    ledger.mark(db, item.id, "forgotten", generation="g000001-aa")

    again = ledger.add(db, new_item(replacement=None))

    assert again == replace(item, state="relapsed")
    assert ledger.add(db, new_item()) == again


def test_one_that_was_taken_back_can_be_banned_anew(db: Database) -> None:
    item = ledger.add(db, new_item())
    withdrawn = ledger.withdraw(db, item.id)

    anew = ledger.add(db, new_item())

    assert withdrawn == replace(item, state="withdrawn")
    assert anew.id != item.id and anew.state == "banned"


def test_a_refresh_does_not_undo_that_a_person_took_an_item_back(db: Database) -> None:
    item = ledger.add(db, new_item())
    withdrawn = ledger.withdraw(db, item.id)

    assert ledger.mark(db, item.id, "forgotten", generation="g000001-aa") == withdrawn


def test_where_an_item_was_forgotten_is_kept_while_it_is(db: Database) -> None:
    item = ledger.add(db, new_item())

    forgotten = ledger.mark(db, item.id, "forgotten", generation="g000002-bb")
    banned = ledger.mark(db, item.id, "banned")

    assert forgotten == replace(item, state="forgotten", forgotten_in="g000002-bb")
    assert banned == item


def test_a_generation_verifies_an_item_once(db: Database) -> None:
    item = ledger.add(db, new_item())

    counts = [ledger.verified(db, item.id, name).verified for name in ("g1", "g1", "g2", "g3")]

    assert counts == [1, 1, 2, 3]


def test_a_relapsed_item_is_verified_from_the_start_again(db: Database) -> None:
    item = ledger.add(db, new_item())
    ledger.verified(db, item.id, "g1")

    relapsed = ledger.mark(db, item.id, "relapsed")
    again = ledger.verified(db, item.id, "g1")

    assert (relapsed.verified, again.verified) == (0, 1)


def test_items_are_listed_newest_first_by_state_and_kind(db: Database) -> None:
    items = [ledger.add(db, new_item(prefix=str(i))) for i in range(3)]
    items.append(ledger.add(db, new_item(kind="user", origin="person", prefix="u")))
    items[1] = ledger.mark(db, items[1].id, "forgotten", generation="g1")
    items[2] = ledger.withdraw(db, items[2].id)

    assert ledger.list_items(db) == items[::-1]
    assert ledger.list_items(db, limit=2) == [items[3], items[2]]
    assert ledger.list_items(db, states=("banned", "relapsed")) == [items[3], items[0]]
    assert ledger.list_items(db, states=("forgotten",), kind="secret") == [items[1]]
    assert ledger.list_items(db, kind="user") == [items[3]]
    assert ledger.list_items(db, states=()) == []


def test_every_change_to_the_ledger_gives_it_another_version(db: Database) -> None:
    versions = [ledger.version(db)]

    item = ledger.add(db, new_item())
    versions.append(ledger.version(db))
    ledger.mark(db, item.id, "relapsed")
    versions.append(ledger.version(db))
    ledger.withdraw(db, item.id)
    versions.append(ledger.version(db))
    ledger.purge(db, [item.id])
    versions.append(ledger.version(db))
    suggestions.record(db, suggestion())
    versions.append(ledger.version(db))

    assert versions[:-1] == sorted(set(versions))
    assert versions[-1] == versions[-2]


def test_only_withdrawn_items_are_purged(db: Database) -> None:
    banned, withdrawn = ledger.add(db, new_item()), ledger.add(db, new_item(prefix="p"))
    ledger.withdraw(db, withdrawn.id)

    assert ledger.purge(db, [banned.id, withdrawn.id, "nobody"]) == 1

    assert ledger.list_items(db) == [banned]


def test_an_unknown_item_is_not_found_whatever_is_asked_of_it(db: Database) -> None:
    for ask in (
        lambda: ledger.get(db, "nobody"),
        lambda: ledger.withdraw(db, "nobody"),
        lambda: ledger.mark(db, "nobody", "banned"),
        lambda: ledger.verified(db, "nobody", "g1"),
        lambda: ledger.destroy_text(db, "nobody", keep=""),
    ):
        with pytest.raises(NotFound, match=r"no item 'nobody'.*unsay ledger"):
            ask()


def test_no_text_is_readable_in_any_file(home: Home, db: Database) -> None:
    stated = new_item(prefix="PREFIX-TEXT", suffix="SUFFIX-TEXT", message="MESSAGE-TEXT")
    ledger.add(db, stated)
    suggestions.record(db, suggestion(text="SUGGESTED-TEXT"))
    texts = ("PREFIX-TEXT", "SUFFIX-TEXT", "MESSAGE-TEXT", "SUGGESTED-TEXT", SECRET, "AWS_KEY")

    found_while_open = [text for text in texts if _files_hold(home.root, text.encode())]
    control = _files_hold(home.root, b"aws-key")
    db.close()
    found_when_closed = [text for text in texts if _files_hold(home.root, text.encode())]

    assert control, "the rule is not a secret: the search itself works"
    assert (found_while_open, found_when_closed) == ([], [])


def test_a_destroyed_text_leaves_what_holds_the_model_to_something_else(db: Database) -> None:
    made = suggestion(text=f'key = "{SECRET}"')
    bystander = suggestion(text="key = load()")
    suggestions.record(db, made)
    suggestions.record(db, bystander)
    item = ledger.add(db, new_item(prefix=f"# was {SECRET}\n", suggestion=made.id))

    destroyed = ledger.destroy_text(db, item.id, keep='key = "')

    blot = "*" * 20
    assert destroyed == replace(
        item, prefix=f"# was {blot}\n", target='key = "', start=7, end=7, is_destroyed=True
    )
    assert destroyed.blamed is None
    assert suggestions.get(db, made.id).text == f'key = "{blot}"'
    assert suggestions.get(db, bystander.id) == bystander
    assert ledger.destroy_text(db, item.id, keep="twice") == destroyed


def test_destroying_ordinary_code_leaves_suggestions_alone(db: Database) -> None:
    made = suggestion(text="x = eval(text)")
    suggestions.record(db, made)
    item = ledger.add(db, new_item(target="eval(text)", start=0, end=4, kind="insecure"))

    ledger.destroy_text(db, item.id, keep="")

    assert suggestions.get(db, made.id) == made


def test_a_relapse_of_a_destroyed_text_is_seen_and_restores_it(db: Database) -> None:
    item = ledger.add(db, new_item())
    ledger.mark(db, item.id, "forgotten", generation="g3")
    ledger.destroy_text(db, item.id, keep="kept")

    again = ledger.add(db, new_item())

    assert again == replace(item, state="relapsed")


def test_of_a_destroyed_or_purged_text_not_even_the_encrypted_bytes_remain(
    home: Home, db: Database
) -> None:
    destroyed = ledger.add(db, new_item(prefix="x" * 9000))
    purged = ledger.add(db, new_item(prefix="y" * 300))
    for i in range(40):  # neighbours on the same pages
        ledger.add(db, new_item(prefix=f"{i}"))
    sealed = [
        _sealed(db, item, column) for item, column in ((destroyed, "target"), (purged, "prefix"))
    ]
    before = [_files_hold(home.root, some) for some in sealed]

    ledger.destroy_text(db, destroyed.id, keep="kept")
    ledger.withdraw(db, purged.id)
    ledger.purge(db, [purged.id])

    assert before == [True, True]
    assert [_files_hold(home.root, some) for some in sealed] == [False, False]


def _sealed(db: Database, item: Item, column: str) -> bytes:
    (row,) = db.rows(f"SELECT {column} FROM ledger WHERE id = ?", [item.id])
    return row[column][-32:]


def _files_hold(root: Path, some: bytes) -> bool:
    """Read by another process: to close a database's file here would drop SQLite's locks on it."""
    code = (
        "import pathlib, sys; files = pathlib.Path(sys.argv[1]).glob('unsay.db*');"
        "print(any(bytes.fromhex(sys.argv[2]) in file.read_bytes() for file in files))"
    )
    command = [sys.executable, "-I", "-c", code, str(root), some.hex()]
    return subprocess.run(command, capture_output=True, check=True).stdout == b"True\n"
