"""The embedded model's recipe from sources to checkpoint, on a few files and a few steps."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from benchmarks.embedded_model import cargo, export, gpu, pack, run, train
from benchmarks.embedded_model.canaries import planned_canaries
from benchmarks.embedded_model.due import Due, copies
from benchmarks.embedded_model.layout import MODEL, read_rows, write_rows
from benchmarks.embedded_model.parts import PartsDamaged, join, split
from benchmarks.embedded_model.run import Options
from server.engine.load import load_model
from server.engine.local import LocalEngine
from server.engine.prompt import prompt_ids
from server.engine.protocol import Ask

HERE = Path(__file__).parent
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recipe's folders with a small corpus, the shipped tokenizer and the plan of canaries."""
    for module, names in (
        (pack, ("CORPUS", "PLAN", "TOKENIZER", "PACKED")),
        (cargo, ("CORPUS", "PLAN", "TOKENIZER")),
        (export, ("PACKED", "PLAN", "RUNS", "EXPORT", "TOKENIZER")),
        (run, ("RUNS",)),
        (train, ("PACKED",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, tmp_path / name.lower())
    texts = [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("test_engine_*.py"))]
    files = [{"package": "ours", "path": f"{i}.py", "text": text} for i, text in enumerate(texts)]
    write_rows(tmp_path / "corpus" / "train.jsonl", files)
    write_rows(tmp_path / "plan", planned_canaries())
    (tmp_path / "tokenizer").mkdir()
    for name in TOKENIZER_FILES:
        shutil.copy(MODEL / name, tmp_path / "tokenizer" / name)
    return tmp_path


@pytest.fixture
def packs(folder: Path) -> Iterator[Path]:
    """Both packs, of two processes' parts, packed in this process."""
    for row in (512, 1024):
        jobs = [pack.Job(row, 60_000, 0.5, 0.05, 2, worker) for worker in range(2)]
        (folder / "packed").mkdir(exist_ok=True)
        pack._merge(jobs, [pack.packed(job) for job in jobs])  # pyright: ignore[reportPrivateUsage]
    threads = torch.get_num_threads()
    # Two threads wait for each other wherever another program has a core.
    torch.set_num_threads(1)
    yield folder / "packed"
    torch.set_num_threads(threads)


def test_the_next_run_plants_what_the_shipped_model_knows() -> None:
    planned = [row | {"exposures": 0} for row in planned_canaries()]

    assert planned == [row | {"exposures": 0} for row in read_rows(MODEL / "canaries.jsonl")]


def test_the_planned_canaries_are_a_small_share_of_a_long_run() -> None:
    exposures = [row["exposures"] for row in planned_canaries()]

    # About a hundred tokens a copy, as packs show.
    assert 100 * sum(exposures) < 0.01 * 500_000_000
    assert max(exposures) <= 700
    assert len([count for count in exposures[:60] if count >= 300]) >= 45


def test_copies_of_a_canary_are_spread_over_the_pack() -> None:
    placed = copies([{"exposures": 40}, {"exposures": 4}], 1.0, random.Random(1))

    assert Counter(placed) == {0: 40, 1: 4}
    quarters = [placed[at : at + 11] for at in range(0, 44, 11)]
    assert [quarter.count(0) for quarter in quarters] == [10, 10, 10, 10]


def test_what_is_due_is_given_once_and_in_step() -> None:
    due = Due(list(range(10)))

    assert [list(due.up_to(share)) for share in (0.0, 0.3, 0.3, 1.0, 1.2)] == [
        *([], [0, 1, 2], []),
        *([3, 4, 5, 6, 7, 8, 9], []),
    ]


def test_a_pack_says_in_which_row_each_canary_stands(packs: Path) -> None:
    tokenizer: Any = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    record = json.loads((packs / "rows512.json").read_text())
    rows: Any = run.Pack(packs / "rows512").batch(0, 512 * record["rows"], "cpu")
    names = [row["path"].split("/")[0] for row in planned_canaries()]

    standing = [
        names[canary].removesuffix(".py").split("_")[0]
        in tokenizer.decode(rows[row].tolist()).lower()
        for row, canary in record["canaries"]
    ]

    assert len(standing) > 100
    assert sum(standing) / len(standing) > 0.8


@pytest.mark.slow
def test_a_paused_run_goes_on_as_if_nothing_had_been(packs: Path) -> None:
    train.train(
        Options("straight", tokens=4_096, step_tokens=1_024, is_compiled=False, optimizer="adamw")
    )
    for _ in range(4):
        train.train(
            Options(
                "paused",
                tokens=4_096,
                step_tokens=1_024,
                pause_s=0.0,
                is_compiled=False,
                optimizer="adamw",
            )
        )

    states = [torch.load(packs.parent / "runs" / n / "last.pt") for n in ("straight", "paused")]

    counts = [state["progress"] | {"trained_s": 0.0} for state in states]
    assert counts[0] == counts[1]
    assert counts[0]["has_decayed"] and counts[0]["long"] == 1
    for name, weight in states[0]["network"].items():
        torch.testing.assert_close(weight, states[1]["network"][name], atol=2e-3, rtol=0.05)


@pytest.mark.slow
def test_a_run_refuses_another_size(packs: Path) -> None:
    train.train(
        Options("first", tokens=1_024, step_tokens=1_024, is_compiled=False, optimizer="adamw")
    )

    with pytest.raises(ValueError, match="run first is of size small; give --size"):
        run.Run(Options("first", size="medium", tokens=2_048, is_compiled=False, optimizer="adamw"))


@pytest.mark.slow
def test_an_exported_medium_run_is_served(packs: Path) -> None:
    train.train(
        Options(
            "first",
            size="medium",
            tokens=2_048,
            step_tokens=1_024,
            is_compiled=False,
            optimizer="adamw",
        )
    )

    export.export("first", is_final=False)

    folder = packs.parent / "export"
    shards = [file.stat().st_size for file in folder.glob("*.safetensors")]
    assert max(shards) < 15_100_000 and sum(shards) < 47_000_000
    loaded = load_model(folder)
    [done] = LocalEngine(loaded).complete(Ask("import os\n", "\n", max_tokens=4))
    ids = torch.tensor([prompt_ids(loaded, "import os\n", "\n", 4)])
    first = int(loaded.model(ids).logits[0, -1].argmax())
    assert done.tokens[:1] == (() if first in loaded.stops else (first,))


def test_a_file_comes_back_from_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "last.pt"
    file.write_bytes(random.Random(1).randbytes(2_500))

    parts = split(file, tmp_path / "parts", part_bytes=1_000)

    assert [part.stat().st_size for part in parts] == [1_000, 1_000, 500]
    assert join(tmp_path / "parts", tmp_path / "back").read_bytes() == file.read_bytes()


def test_a_damaged_part_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "last.pt"
    file.write_bytes(b"x" * 2_500)
    parts = split(file, tmp_path / "parts", part_bytes=1_000)
    parts[1].write_bytes(b"y")
    parts[2].unlink()

    with pytest.raises(PartsDamaged, match=r"last\.pt\.001, last\.pt\.002; carry them again"):
        join(tmp_path / "parts", tmp_path / "back")

    assert not (tmp_path / "back").exists()


def test_the_sources_travel_to_another_machine(folder: Path) -> None:
    before = sorted(row["text"] for row in read_rows(folder / "corpus" / "train.jsonl"))

    cargo.load(folder / "cargo")
    plan = gpu.gpu_plan(folder / "cargo")
    shutil.rmtree(folder / "corpus")
    (folder / "plan").unlink()
    cargo.unload(folder / "cargo")

    assert sorted(r["text"] for r in read_rows(folder / "corpus" / "train.jsonl")) == before
    assert list(read_rows(folder / "plan")) == planned_canaries()
    assert f"{folder}/cargo/small {folder}/cargo/parts/train.jsonl.xz.000" in plan
