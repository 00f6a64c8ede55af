"""An idle engine gives its memory back and wakes with what it had; nobody who asks is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from engine_models import make_adapter, make_model
from tiny_model import FILES
from transformers import LlamaConfig

from server.engine.config import EngineConfig
from server.engine.errors import AdapterCorrupt, EngineClosed, ModelDamaged
from server.engine.load import load_model
from server.engine.local import LocalEngine
from server.engine.memory import group_left
from server.engine.protocol import Ask

NAMES = ("g000001-aa", "g000002-bb")
PREFIX, TARGET, SUFFIX = FILES["mean"]
ASK = Ask(PREFIX, SUFFIX, max_tokens=12, document="a")


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.fixture
def engine(folder: Path) -> LocalEngine:
    torch.set_num_threads(1)
    return LocalEngine(load_model(folder, "cpu"))


def adapter(engine: LocalEngine, root: Path, which: int) -> Path:
    loaded, name = engine.loaded, NAMES[which]
    return make_adapter(loaded.folder, root / name, name, which, base_digest=loaded.digest)


def test_a_sleeping_engine_wakes_for_a_request_and_says_the_same(engine: LocalEngine) -> None:
    engine.complete(ASK)

    assert engine.sleep()
    state, had_woken = engine.state, engine.last_wake_ms
    [again] = engine.complete(ASK)

    assert (state, had_woken) == ("asleep", None)
    assert (again.text, again.cached_tokens) == (TARGET, 0)
    assert engine.state == "awake"
    assert engine.last_wake_ms is not None and engine.last_wake_ms > 0


def test_warming_wakes_too(engine: LocalEngine) -> None:
    engine.sleep()

    assert engine.warm(ASK) > 0

    assert engine.state == "awake"
    assert engine.complete(ASK)[0].cached_tokens > 0


@pytest.mark.parametrize("merge", ["always", "never"])
def test_generations_keep_their_names_and_words_in_sleep(
    merge: str, engine: LocalEngine, tmp_path: Path
) -> None:
    engine = LocalEngine(engine.loaded, EngineConfig(merge=merge))  # pyright: ignore[reportArgumentType]
    said: dict[str, str] = {"base": TARGET}
    for which, name in enumerate(NAMES):
        engine.swap(name, adapter(engine, tmp_path, which))
        said[name] = engine.complete(ASK)[0].text
    assert len(set(said.values())) == 3

    engine.sleep()

    assert (engine.serving, engine.generations) == (NAMES[1], ("base", *NAMES))
    assert engine.complete(ASK)[0].text == said[NAMES[1]]
    for name, text in said.items():  # the one to roll back to wakes when it is asked for
        [pinned] = engine.complete(Ask(PREFIX, SUFFIX, max_tokens=12, generation=name))
        assert (pinned.text, pinned.generation) == (text, name)


def test_a_swap_wakes_what_sleeps_and_so_does_a_roll_back(
    engine: LocalEngine, tmp_path: Path
) -> None:
    first, second = (adapter(engine, tmp_path, which) for which in (0, 1))
    engine.swap(NAMES[0], first)
    said = engine.complete(ASK)[0].text

    engine.sleep()
    engine.swap(NAMES[1], second)
    engine.sleep()
    engine.swap(NAMES[0], first)

    [back] = engine.complete(ASK)
    assert (back.text, back.generation) == (said, NAMES[0])


def test_a_cancelled_request_does_not_wait_for_the_waking(tmp_path: Path) -> None:
    engine = LocalEngine(load_model(make_model(tmp_path, config=wide()), "cpu"))
    ask = Ask("x = 1\n", max_tokens=1)
    engine.sleep()

    [cancelled] = engine.complete(ask, cancelled=lambda: True)

    assert (cancelled.finish, engine.state) == ("cancelled", "waking")
    assert not engine.sleep()
    assert engine.complete(ask)[0].finish == "length"


def test_no_request_fails_or_is_mixed_while_the_engine_falls_asleep(
    engine: LocalEngine, tmp_path: Path
) -> None:
    folders = {name: adapter(engine, tmp_path, which) for which, name in enumerate(NAMES)}
    expected = {"base": TARGET}
    for name, folder in folders.items():
        engine.swap(name, folder)
        expected[name] = engine.complete(ASK)[0].text
    stop = threading.Event()
    wrong: list[object] = []

    def ask_on() -> None:
        while not stop.wait(0.1):
            try:
                [completion] = engine.complete(ASK)
            except Exception as error:
                wrong.append(error)
                return
            if completion.text != expected[completion.generation]:
                wrong.append(completion)

    threads = [threading.Thread(target=ask_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    slept, end = 0, time.monotonic() + 60
    while slept < 4 and time.monotonic() < end:
        if not engine.sleep():  # a request is under way
            time.sleep(0.002)
            continue
        slept += 1
        if slept % 2:
            engine.swap(NAMES[slept // 2], folders[NAMES[slept // 2]])
    stop.set()
    for thread in threads:
        thread.join(30)

    assert wrong == []
    assert slept >= 2


def test_a_model_that_changed_in_its_sleep_is_not_served(engine: LocalEngine, folder: Path) -> None:
    engine.sleep()
    stored = (folder / "config.json").read_text()
    (folder / "config.json").write_text(json.dumps(json.loads(stored) | {"rms_norm_eps": 0.5}))

    with pytest.raises(ModelDamaged, match="changed while it was asleep"):
        engine.complete(ASK)

    assert engine.state == "asleep"
    (folder / "config.json").write_text(stored)
    assert engine.complete(ASK)[0].text == TARGET


def test_an_adapter_lost_in_sleep_can_be_rolled_back(engine: LocalEngine, tmp_path: Path) -> None:
    folder = adapter(engine, tmp_path, 0)
    engine.swap(NAMES[0], folder)
    engine.sleep()
    shutil.rmtree(folder)

    with pytest.raises(AdapterCorrupt, match="is missing"):
        engine.complete(ASK)
    engine.swap("base", None)

    assert engine.complete(ASK)[0].text == TARGET


def test_a_closed_engine_neither_sleeps_nor_wakes(engine: LocalEngine) -> None:
    engine.sleep()
    engine.close()

    assert not engine.sleep()
    with pytest.raises(EngineClosed):
        engine.complete(ASK)


RESIDENT = """
import sys
from pathlib import Path
import psutil
from server.engine.config import EngineConfig
from server.engine.local import open_engine
from server.engine.memory import give_back
from server.engine.protocol import Ask

def resident():
    give_back()
    return psutil.Process().memory_info().rss // 2**20

ask = Ask("x = 1\\n" * 40, max_tokens=2)
engine = open_engine(EngineConfig(model=sys.argv[1], device="cpu", threads=1))
engine.complete(ask)
engine.sleep()
before = resident()
engine.complete(ask)
awake = resident()
engine.sleep()
print(awake - before, resident() - before)
"""


def test_sleep_gives_the_memory_back(tmp_path: Path) -> None:
    folder = make_model(tmp_path, config=wide())

    command = [sys.executable, "-c", RESIDENT, str(folder)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    held, left = map(int, out.split())
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors")) // 2**20
    assert held > weights > 40
    assert left < 0.1 * held


def wide() -> LlamaConfig:
    return LlamaConfig(
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=2,
        num_attention_heads=12,
        num_key_value_heads=4,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=0,
    )


def test_a_control_group_with_a_limit_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for folder, limit, used in ((tmp_path / "a", "1000", "400"), (inner, "max", "300")):
        (folder / "memory.max").write_text(limit + "\n")
        (folder / "memory.current").write_text(used + "\n")
        (folder / "memory.stat").write_text("anon 100\ninactive_file 50\n")

    assert list(group_left("3:cpu:/a/b\n0::/a/b\n", tmp_path)) == [650]


def test_an_old_control_group_with_a_limit_counts(tmp_path: Path) -> None:
    inside = tmp_path / "memory" / "a"
    inside.mkdir(parents=True)
    (inside / "memory.limit_in_bytes").write_text("1000\n")
    (inside / "memory.usage_in_bytes").write_text("900\n")
    (inside / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 30\n")

    assert list(group_left("4:memory:/a\n0::/\n", tmp_path)) == [130]
