"""Generations: swapped under running requests, none fails, none is mixed."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
import torch
from engine_models import make_adapter
from tiny_model import FILES

from server.engine.adapters import WEIGHTS
from server.engine.errors import AdapterCorrupt, AdapterMismatch, EngineClosed, GenerationGone
from server.engine.load import LoadedModel, load_model
from server.engine.local import LocalEngine
from server.engine.protocol import Ask

NAMES = ("g000001-aa", "g000002-bb", "g000003-cc")
PREFIX, TARGET, SUFFIX = FILES["mean"]
ASK = Ask(PREFIX, SUFFIX, max_tokens=12)


@dataclass(frozen=True)
class Shelf:
    """A model and generations of it that say different things."""

    loaded: LoadedModel
    folders: dict[str, Path]

    def engine(self) -> LocalEngine:
        return LocalEngine(self.loaded)


@pytest.fixture(scope="module")
def shelf(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    torch.set_num_threads(1)
    loaded = load_model(tiny_model, "cpu")
    root = tmp_path_factory.mktemp("adapters")
    folders = {
        name: make_adapter(tiny_model, root / name, name, seed, base_digest=loaded.digest)
        for seed, name in enumerate(NAMES)
    }
    return Shelf(loaded, folders)


def test_a_swap_serves_the_new_generation_and_says_so(shelf: Shelf) -> None:
    engine = shelf.engine()
    [before] = engine.complete(ASK)

    report = engine.swap(NAMES[0], shelf.folders[NAMES[0]])
    [after] = engine.complete(ASK)

    assert (before.generation, before.text) == ("base", TARGET)
    assert after.generation == NAMES[0] == engine.serving == report.generation
    assert after.text != before.text
    assert report.previous == "base"
    assert 0 <= report.pause_ms < report.prepare_ms


def test_rolling_back_to_a_resident_generation_says_the_same_again(shelf: Shelf) -> None:
    engine = shelf.engine()
    engine.swap(NAMES[0], shelf.folders[NAMES[0]])
    [first] = engine.complete(ASK)
    engine.swap(NAMES[1], shelf.folders[NAMES[1]])

    engine.swap(NAMES[0], shelf.folders[NAMES[0]])
    [again] = engine.complete(ASK)
    engine.swap("base", None)
    [base] = engine.complete(ASK)

    assert (again.text, again.generation) == (first.text, NAMES[0])
    assert (base.text, base.generation) == (TARGET, "base")


def test_a_pinned_request_gets_its_generation(shelf: Shelf) -> None:
    engine = shelf.engine()
    engine.swap(NAMES[0], shelf.folders[NAMES[0]])

    [pinned] = engine.complete(Ask(PREFIX, SUFFIX, generation="base"))

    assert (pinned.text, pinned.generation) == (TARGET, "base")


def test_the_base_and_two_generations_are_resident(shelf: Shelf) -> None:
    engine = shelf.engine()
    for name in NAMES:
        engine.swap(name, shelf.folders[name])

    assert engine.generations == ("base", NAMES[1], NAMES[2])
    with pytest.raises(GenerationGone, match=r"'g000001-aa' is not resident.*promote it"):
        engine.complete(Ask(PREFIX, SUFFIX, generation=NAMES[0]))


def test_one_document_in_two_generations_never_shares_what_was_read(shelf: Shelf) -> None:
    engine = shelf.engine()
    ask = Ask(PREFIX, SUFFIX, max_tokens=12, document="same")
    [fresh] = engine.complete(ask)
    engine.swap(NAMES[0], shelf.folders[NAMES[0]])

    [after] = engine.complete(ask)
    [again] = engine.complete(ask)

    assert (fresh.cached_tokens, after.cached_tokens) == (0, 0)
    assert again.cached_tokens > 0
    assert again.text == after.text


def test_a_damaged_adapter_leaves_the_old_generation_serving(shelf: Shelf, tmp_path: Path) -> None:
    engine = shelf.engine()
    engine.swap(NAMES[0], shelf.folders[NAMES[0]])
    [before] = engine.complete(ASK)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in shelf.folders[NAMES[1]].iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / WEIGHTS).write_bytes(b"torn")

    with pytest.raises(AdapterCorrupt):
        engine.swap(NAMES[1], damaged)

    [after] = engine.complete(ASK)
    assert (after.text, after.generation) == (before.text, NAMES[0])
    assert engine.generations == ("base", NAMES[0])


def test_an_adapter_under_another_name_is_refused(shelf: Shelf) -> None:
    engine = shelf.engine()

    with pytest.raises(AdapterMismatch, match="own name is 'g000001-aa'"):
        engine.swap(NAMES[1], shelf.folders[NAMES[0]])
    with pytest.raises(AdapterMismatch, match="every other generation has one"):
        engine.swap(NAMES[1], None)
    with pytest.raises(AdapterMismatch, match="with no adapter"):
        engine.swap("base", shelf.folders[NAMES[0]])

    assert engine.serving == "base"


def test_a_generation_never_changes(shelf: Shelf, tmp_path: Path) -> None:
    engine = shelf.engine()
    engine.swap(NAMES[0], shelf.folders[NAMES[0]])
    other = tmp_path / "other"
    other.mkdir()
    for file in shelf.folders[NAMES[1]].iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    own = json.loads((other / "unsay.json").read_text())
    (other / "unsay.json").write_text(json.dumps(own | {"name": NAMES[0]}))

    with pytest.raises(AdapterMismatch, match="a generation never changes"):
        engine.swap(NAMES[0], other)


def test_no_request_fails_or_is_mixed_while_generations_are_swapped(shelf: Shelf) -> None:
    engine = shelf.engine()
    asks = [
        Ask(prefix, suffix, max_tokens=8, document=name)
        for name, (prefix, _, suffix) in list(FILES.items())[:4]
    ]
    expected: dict[tuple[str, str], str] = {}
    for name, folder in [("base", None), *shelf.folders.items()]:
        engine.swap(name, folder)
        for ask in asks:
            expected[name, ask.document] = engine.complete(ask)[0].text
    assert len(set(expected.values())) > len(asks)
    stop = threading.Event()
    failed: list[Exception] = []
    mixed: list[str] = []
    served: Counter[str] = Counter()

    def ask_on() -> None:
        while not stop.is_set():
            for ask in asks:
                try:
                    [completion] = engine.complete(ask)
                except Exception as error:
                    failed.append(error)
                    return
                served[completion.generation] += 1
                if completion.text != expected[completion.generation, ask.document]:
                    mixed.append(completion.text)

    threads = [threading.Thread(target=ask_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    reports = [
        engine.swap(name, folder)
        for _ in range(5)
        for name, folder in [*shelf.folders.items(), ("base", None)]
    ]
    stop.set()
    for thread in threads:
        thread.join(30)

    assert failed == []
    assert mixed == []
    assert len(reports) == 20
    assert len(served) >= 2
    assert median(report.pause_ms for report in reports) < 50


def test_a_closed_engine_swaps_no_more(shelf: Shelf) -> None:
    engine = shelf.engine()
    engine.close()

    with pytest.raises(EngineClosed):
        engine.swap(NAMES[0], shelf.folders[NAMES[0]])
