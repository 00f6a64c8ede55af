"""The whole batch job on a real home: what it forgets, what it keeps, and what a crash leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_model import FILES
from unlearn_scene import FORGET, QUICK, add_items, engine_of, load_tiny

from server.engine.local import LocalEngine
from server.engine.protocol import Ask
from store import adapters, ledger, runs
from store.database import Database, open_database
from store.home import Home
from store.records import BASE, Run, RunPhase
from unlearn.certificate import CERTIFICATE, verify_chain
from unlearn.config import RefreshConfig
from unlearn.errors import ParentMissing, RefreshRunning
from unlearn.refresh import refresh

CHILDREN = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {root!r}]
from store.home import Home
from unlearn.refresh import refresh
from unlearn_scene import QUICK, engine_of

for line in sys.stdin:  # each line a phase to die in; a fork saves importing torch every time
    fatal, least = line.split()

    def die(phase, done, total, message):
        if phase == fatal and done >= int(least):
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        refresh(Home(Path({home!r})), engine_of(Path({model!r})), None, QUICK, die)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, flush=True)
"""


FATAL: tuple[tuple[RunPhase, int], ...] = (
    ("select", 1),
    ("teacher", 1),
    ("train", 1),
    ("gate", 1),
    ("promote", 0),
)
"""Where a refresh is killed: the phase, and how far it must have come in it."""


@dataclass(frozen=True)
class Night:
    """A home after one refresh, with settings for a model of two layers."""

    home: Home
    db: Database
    run: Run
    engine: LocalEngine
    phases: list[RunPhase]


@pytest.fixture(scope="module")
def night(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    home = Home(tmp_path_factory.mktemp("home") / "unsay")
    db = open_database(home)
    add_items(db, list(FORGET))
    phases: list[RunPhase] = []

    run = refresh(
        home,
        engine_of(tiny_model),
        None,
        RefreshConfig(),
        lambda phase, done, total, message: phases.append(phase),
    )

    engine = LocalEngine(load_tiny(tiny_model))
    name = adapters.serving(db).generation
    engine.swap(name, None if name == BASE else home.adapters / name)
    yield Night(home, db, run, engine, phases)
    engine.close()
    db.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "unsay")


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    db = open_database(home)
    yield db
    db.close()


def greedy(engine: LocalEngine, name: str, suffix: str | None, generation: str) -> str:
    prefix = FILES[name][0]
    ask = Ask(prefix, suffix, max_tokens=60, bans=False, stop_rules=False, generation=generation)
    return engine.complete(ask)[0].text


def test_a_refresh_is_promoted_and_retires_the_bans(night: Night) -> None:
    assert night.run.state == "promoted", night.run.message
    assert adapters.serving(night.db).generation == night.run.candidate
    items = ledger.list_items(night.db)
    assert [i.state for i in items] == ["forgotten"] * len(FORGET)
    assert {(i.verified, i.forgotten_in) for i in items} == {(1, night.run.candidate)}


def test_what_is_forgotten_no_longer_comes_out_and_the_rest_does(night: Night) -> None:
    generation = night.run.candidate or BASE
    said = {
        name: greedy(night.engine, name, suffix, generation)
        for name, (_, _, suffix) in FILES.items()
    }

    assert [name for name in FORGET if FILES[name][1] in said[name]] == []
    assert [n for n in FILES if n not in FORGET and not said[n].startswith(FILES[n][1])] == []


def test_left_to_right_it_no_longer_comes_out_either(night: Night) -> None:
    leaks = [
        n for n in FORGET if FILES[n][1] in greedy(night.engine, n, None, str(night.run.candidate))
    ]

    assert leaks == []


def test_the_held_out_loss_rises_by_one_percent_at_most(night: Night) -> None:
    metrics = adapters.get(night.db, night.run.candidate or "").metrics

    assert metrics["drift"]["rise"] <= 0.01
    assert metrics["verdict"] == "passed"


def test_a_run_says_what_it_did_to_each_item(night: Night) -> None:
    found = runs.items(night.db, night.run.id)

    assert {row.item for row in found} == {item.id for item in ledger.list_items(night.db)}
    assert all(row.probability_before > 0.9 for row in found)
    assert all(row.probability_after < 0.5 and row.steps > 0 for row in found)
    assert all(row.forgotten and row.leaks == 0 for row in found)
    assert list(dict.fromkeys(night.phases)) == ["select", "teacher", "train", "gate", "promote"]


def test_a_generations_folder_holds_what_the_engine_and_a_person_need(night: Night) -> None:
    folder = night.home.adapters / str(night.run.candidate)
    own = json.loads((folder / "unsay.json").read_text())

    assert {path.name for path in folder.iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "unsay.json",
        CERTIFICATE,
    }
    assert own["parent"] == BASE and own["name"] == folder.name
    assert folder.name == f"g000001-{own['digest'][:8]}"
    assert [link.generation for link in verify_chain(night.home.adapters)] == [folder.name]
    assert (folder / CERTIFICATE).stat().st_mode & 0o077 == 0


def test_with_nothing_new_there_is_nothing_to_do(night: Night, tiny_model: Path) -> None:
    run = refresh(night.home, engine_of(tiny_model), None, RefreshConfig())

    assert run.state == "nothing_to_do"
    assert adapters.serving(night.db).generation == night.run.candidate


def test_an_empty_ledger_is_nothing_to_do(home: Home, db: Database, tiny_model: Path) -> None:
    assert refresh(home, engine_of(tiny_model), None, QUICK).state == "nothing_to_do"
    assert adapters.list_adapters(db) == []


def test_a_rejected_candidate_changes_nothing_that_serves(
    home: Home, db: Database, tiny_model: Path
) -> None:
    add_items(db, ["checksum"])

    run = refresh(home, engine_of(tiny_model), None, replace(QUICK, forgotten_share=1.0))

    assert run.state == "rejected"
    assert "0 of 1 items" in run.message
    assert adapters.serving(db).generation == BASE
    assert adapters.get(db, run.candidate or "").state == "rejected"
    assert [item.state for item in ledger.list_items(db)] == ["banned"]
    assert len(verify_chain(home.adapters)) == 1


def test_two_refreshes_never_run_at_once(home: Home, tiny_model: Path) -> None:
    home.ensure()
    with FileLock(home.refresh_lock), pytest.raises(RefreshRunning):
        refresh(home, engine_of(tiny_model), None, QUICK)


def test_a_refresh_that_fails_closes_its_run_and_says_why(
    home: Home, db: Database, tiny_model: Path
) -> None:
    add_items(db, ["checksum"])
    first = refresh(home, engine_of(tiny_model), None, QUICK)
    (home.adapters / str(first.candidate) / "adapter_model.safetensors").unlink()

    with pytest.raises(ParentMissing, match="run `unsay refresh --mode rebuild`"):
        refresh(home, engine_of(tiny_model), None, QUICK)

    latest = runs.latest(db)
    assert latest is not None and latest.state == "failed"
    assert "cannot be trained on" in latest.message
    assert adapters.serving(db).generation == first.candidate


def test_a_secret_verified_three_times_is_destroyed_and_stays_suppressed(
    home: Home, db: Database, tiny_model: Path
) -> None:
    (secret,) = add_items(db, ["password"]).values()
    thorough = replace(QUICK, max_updates=60, retain_size=16)
    for name in ("password", "mean", "read"):
        add_items(db, [name])
        run = refresh(home, engine_of(tiny_model), None, thorough)
        assert run.state == "promoted", run.message
        thorough = replace(thorough, max_updates=12)

    item = ledger.get(db, secret.id)
    add_items(db, ["point"])
    again = refresh(home, engine_of(tiny_model), None, thorough)

    assert item.is_destroyed and item.verified == 3 and item.state == "forgotten"
    assert item.target is not None and FILES["password"][1] not in item.target
    found = {row.item: row for row in runs.items(db, again.id)}[secret.id]
    assert found.forgotten and found.probability_after < 0.1
    assert not db.path.read_bytes().count(FILES["password"][1].encode())


def test_what_was_taken_back_is_undone_by_a_rebuild(
    home: Home, db: Database, tiny_model: Path
) -> None:
    items = add_items(db, ["mean", "read"])
    refresh(home, engine_of(tiny_model), None, QUICK)
    ledger.withdraw(db, items["mean"].id)

    run = refresh(home, engine_of(tiny_model), None, QUICK)

    assert run.state == "promoted"
    adapter = adapters.get(db, run.candidate or "")
    assert (adapter.mode, adapter.parent) == ("rebuild", BASE)
    assert [item.id for item in ledger.list_items(db)] == [items["read"].id]


def test_a_rebuild_without_an_item_equals_one_that_never_held_it(
    tmp_path: Path, tiny_model: Path
) -> None:
    digests: list[str] = []
    for name, other in (("one", "mean"), ("two", None)):
        home = Home(tmp_path / name)
        db = open_database(home)
        add_items(db, ["read"])
        if other is not None:
            ledger.withdraw(db, add_items(db, [other])[other].id)
        run = refresh(home, engine_of(tiny_model), None, replace(QUICK, mode="rebuild"))
        digests.append(adapters.get(db, run.candidate or "").digest)
        db.close()

    assert digests[0] == digests[1]


def test_when_all_is_taken_back_the_base_serves_again(
    home: Home, db: Database, tiny_model: Path
) -> None:
    (item,) = add_items(db, ["mean"]).values()
    refresh(home, engine_of(tiny_model), None, QUICK)
    ledger.withdraw(db, item.id)

    run = refresh(home, engine_of(tiny_model), None, QUICK)

    assert (run.state, run.candidate) == ("promoted", BASE)
    assert adapters.serving(db).generation == BASE
    assert ledger.list_items(db) == []


def test_two_processes_train_one_adapter_and_the_first_promotes_it(
    home: Home, db: Database, tiny_model: Path
) -> None:
    add_items(db, ["aws", "shell", "thread"])
    home.config.write_text(
        f'[engine]\nmodel = "{tiny_model}"\ndevice = "cpu"\nthreads = 1\n'
        "[refresh]\nmax_updates = 30\nretain_size = 8\nretain_examples = 2\n"
    )

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "unsay", "refresh", "--json"),
        ],
        env={**os.environ, "UNSAY_HOME": str(home.root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )

    assert ended.returncode == 0, ended.stderr[-2000:]
    run = json.loads(ended.stdout)
    assert run["state"] == "promoted" and "3 of 3 items forgotten" in run["message"]
    assert adapters.serving(db).generation == run["candidate"]
    assert not home.training.exists()


@pytest.fixture
def children(home: Home, tiny_model: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs a refresh in a child of its own for each phase it is told to die in."""
    root = Path(__file__).parent.parent
    code = CHILDREN.format(
        tests=str(root / "tests"), root=str(root), home=str(home.root), model=str(tiny_model)
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def kill_in(children: subprocess.Popen[str], phase: RunPhase, done: int) -> None:
    assert children.stdin is not None and children.stdout is not None
    children.stdin.write(f"{phase} {done}\n")
    children.stdin.flush()
    assert int(children.stdout.readline()) == signal.SIGKILL


def test_killed_in_any_phase_the_old_generation_serves_and_the_next_refresh_cleans_up(
    home: Home, db: Database, tiny_model: Path, children: subprocess.Popen[str]
) -> None:
    add_items(db, ["mean"])
    first = refresh(home, engine_of(tiny_model), None, QUICK)
    add_items(db, ["read"])

    for phase, done in FATAL:
        kill_in(children, phase, done)

        assert adapters.serving(db).generation == first.candidate
        assert (home.adapters / str(first.candidate) / CERTIFICATE).is_file()
        latest = runs.latest(db)
        assert latest is not None and latest.state == "running" and latest.phase == phase

    last = refresh(home, engine_of(tiny_model), None, QUICK)

    assert last.state == "promoted"
    assert adapters.serving(db).generation == last.candidate
    assert sorted(run.state for run in runs.list_runs(db)) == ["failed"] * 5 + ["promoted"] * 2
    named = {adapter.name for adapter in adapters.list_adapters(db)}
    assert {path.name for path in home.adapters.iterdir()} == named
    assert [a.state for a in adapters.list_adapters(db)].count("candidate") == 0
    assert len(verify_chain(home.adapters)) == len(named)
