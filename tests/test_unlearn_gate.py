"""The gate on real adapters: a sound one passes, planted bad ones do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor
from unlearn_scene import FORGET, load_tiny, plain_item

from server.engine.digest import file_digest
from server.engine.load import LoadedModel
from server.engine.protocol import Form
from unlearn.candidate import write_candidate
from unlearn.config import RefreshConfig
from unlearn.forced import Forced, forced
from unlearn.gate import Trial, judge
from unlearn.infilling import CASES, Filled, function_cuts
from unlearn.integrity import end_fresh, flaw, start_fresh
from unlearn.items import examples
from unlearn.lora import WEIGHTS, Student
from unlearn.retain import retain_set
from unlearn.rows import forget_rows, line_rows, merge_row, speech_row
from unlearn.teacher import anchors, teach
from unlearn.train import train
from unlearn.utility import drift
from unlearn.verdict import SECRET_CHANCE, ItemVerdict, Row, Verdict

CONFIG = RefreshConfig(leak_samples=2, retain_size=16, held_out=128)
FORGOTTEN = ("checksum", "shell", "aws")


@dataclass(frozen=True)
class Scene:
    loaded: LoadedModel
    trial: Trial
    good: Path
    """The folder of a well-trained adapter; its name is that in its unsay.json."""

    def judge(self, folder: Path) -> Verdict:
        return judge(folder, name_of(folder), self.trial, CONFIG)


def name_of(folder: Path) -> str:
    return str(json.loads((folder / "unsay.json").read_text())["name"])


@pytest.fixture(scope="module")
def scene(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    loaded = load_tiny(tiny_model)
    items = [plain_item(name) for name in FORGOTTEN]
    student = Student(loaded.model, seed=0, start=None)
    keep = retain_set(loaded, [], CONFIG.retain_size, 0, held_out=CONFIG.held_out)
    with student.as_base() as base:
        lessons = teach(base, examples(loaded, items, 512), CONFIG, lambda token: False)
        held = anchors(base, keep.train, 0)
    train(student, lessons, held, CONFIG)
    folder = tmp_path_factory.mktemp("adapters")
    candidate = write_candidate(
        folder, 1, student, base_name="tiny", base_digest=loaded.digest, parent="base"
    )
    student.unload()
    trial = Trial(loaded, items, frozenset(FORGOTTEN), lessons, keep.held_out, lambda text: "")
    return Scene(loaded, trial, candidate.folder)


def changed(scene: Scene, folder: Path, change: Callable[[str, Tensor], Tensor]) -> Path:
    """A copy of the good adapter with other weights, under its own name and digest."""
    folder.mkdir()
    for path in scene.good.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(scene.good / WEIGHTS)
    save_file({name: change(name, weight) for name, weight in weights.items()}, folder / WEIGHTS)
    own = json.loads((folder / "unsay.json").read_text())
    digest = file_digest(folder / WEIGHTS)
    own |= {"digest": digest, "name": f"g000002-{digest[:8]}"}
    (folder / "unsay.json").write_text(json.dumps(own))
    return folder


def failed(verdict: Verdict) -> set[str]:
    return {row.name for row in verdict.rows if row.blocking and not row.passed}


def test_a_good_adapter_passes(scene: Scene) -> None:
    verdict = scene.judge(scene.good)

    assert verdict.reasons == []
    assert verdict.passed
    assert all(found.is_forgotten for found in verdict.items.values())


def test_a_large_random_adapter_is_blocked(scene: Scene, tmp_path: Path) -> None:
    chance = torch.Generator().manual_seed(1)
    bad = changed(
        scene, tmp_path / "bad", lambda name, w: torch.randn(w.shape, generator=chance) * 0.5
    )

    verdict = scene.judge(bad)

    assert not verdict.passed
    assert failed(verdict) & {"utility_loss", "utility_divergence"}


def test_an_adapter_that_forgets_nothing_is_blocked(scene: Scene, tmp_path: Path) -> None:
    idle = changed(scene, tmp_path / "idle", lambda name, w: w * 1e-4)

    verdict = scene.judge(idle)

    assert failed(verdict) == {"forget_forced", "forget_generated"}
    assert not any(found.is_forgotten for found in verdict.items.values())


def test_a_change_that_must_be_merged_and_would_be_lost_is_blocked(
    scene: Scene, tmp_path: Path
) -> None:
    lost = changed(scene, tmp_path / "lost", lambda name, w: w * 1e-5)
    trial = replace(scene.trial, merge="always")

    verdict = judge(lost, name_of(lost), trial, CONFIG)

    assert not verdict.passed
    assert "changes too little" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("form", "error", "sentence", "passed"),
    [
        ("unmerged", None, "served unmerged", True),
        ("merged", 0.01, "served merged; merging rounds 1.00% of the change away", True),
        ("unmerged", 0.9, "served unmerged; merging rounds 90.00% of the change away", False),
    ],
)
def test_a_row_says_in_which_form_the_candidate_was_served(
    form: Form, error: float | None, sentence: str, passed: bool
) -> None:
    row = merge_row(form, error)

    assert row.sentence.startswith(sentence)
    assert (row.passed, row.blocking) == (passed, False)


def test_an_adapter_of_zeros_or_of_no_numbers_is_not_even_run(scene: Scene, tmp_path: Path) -> None:
    zeros = changed(scene, tmp_path / "zeros", lambda name, w: w * 0)
    broken = changed(scene, tmp_path / "broken", lambda name, w: w * torch.nan)

    for folder, why in ((zeros, "it changes nothing"), (broken, "not finite")):
        verdict = scene.judge(folder)
        assert [row.name for row in verdict.rows] == ["integrity"]
        assert why in verdict.reasons[0]


def test_an_adapter_for_another_base_or_of_another_shape_is_not_run(
    scene: Scene, tmp_path: Path
) -> None:
    foreign = changed(scene, tmp_path / "foreign", lambda name, w: w)
    own = json.loads((foreign / "unsay.json").read_text())
    (foreign / "unsay.json").write_text(json.dumps(own | {"base_digest": "00" * 32}))
    other = changed(scene, tmp_path / "other", lambda name, w: w)
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 8}))

    assert "another base model" in (flaw(foreign, name_of(foreign), scene.loaded) or "")
    assert "rank and alpha are 32 and 8" in (flaw(other, name_of(other), scene.loaded) or "")


def test_the_adapter_of_another_night_cannot_stand_in_for_the_candidate(scene: Scene) -> None:
    verdict = judge(scene.good, "g000007-0123abcd", scene.trial, CONFIG)

    assert failed(verdict) == {"integrity"}
    assert f"it calls itself {name_of(scene.good)}" in verdict.reasons[0]


def test_a_fresh_process_says_what_it_cannot_read(scene: Scene, tmp_path: Path) -> None:
    damaged = changed(scene, tmp_path / "damaged", lambda name, w: w)
    (damaged / WEIGHTS).write_bytes(b"no tensors")

    good, bad = start_fresh(scene.good), start_fresh(damaged)

    assert end_fresh(good) is None
    assert "its weights are not those of its digest" in (end_fresh(bad) or "")


def test_the_base_against_itself_has_drifted_by_nothing(scene: Scene) -> None:
    found = drift(scene.loaded.model, scene.loaded.model, scene.trial.held_out)

    assert (found.rise, found.low, found.high, found.divergence) == (0, 0, 0, 0)
    assert found.tokens == sum(len(row) - 1 for row in scene.trial.held_out)


def test_the_cases_of_the_health_row_are_whole_functions_without_a_line() -> None:
    cases = function_cuts(0)

    assert len(cases) == CASES
    assert all(case.prefix.startswith("def ") and case.line.strip() for case in cases)


def test_answers_that_only_repeat_themselves_are_no_success() -> None:
    (row,) = speech_row(["x = 1", "", "", " ", "ab ab ab ab ab ab"])

    assert not row.passed and row.measured == 0.8
    assert speech_row(["x = 1", ""] * 8)[0].passed
    assert speech_row([""] * 3)[0].passed
    assert speech_row([]) == []


def test_a_line_row_blocks_only_what_chance_does_not_explain() -> None:
    good, bad = Filled(True, True, False, False), Filled(False, True, True, False)

    rows = {row.name: row for row in line_rows([good] * 40, [good] * 32 + [bad] * 8)}

    assert {name for name, row in rows.items() if not row.passed} == {"infilling", "empty"}
    assert "8 got worse and 0 better" in rows["infilling"].sentence
    assert all(row.passed for row in line_rows([good] * 40, [good] * 35 + [bad] * 5))


def test_of_the_old_items_nearly_all_must_stay_forgotten() -> None:
    found = [ItemVerdict(str(i), None, 5, leaks=int(i < 2)) for i in range(20)]

    (row,) = forget_rows(found, new=[], config=CONFIG)

    assert (row.name, row.measured, row.passed) == ("rehearsal", 0.9, False)
    assert "the others are banned again" in row.sentence
    assert forget_rows(found, new=[v.item for v in found], config=CONFIG)[1].passed


def test_a_secret_that_a_sample_says_one_time_in_a_hundred_is_not_forgotten() -> None:
    secret = ItemVerdict("x", Forced(0.1, 0.1, 0.0, by_chance=1e-6), 5, 0)

    assert secret.is_forgotten
    likely = Forced(0.1, 0.1, 0.0, by_chance=0.01)
    assert not replace(secret, forced=likely).is_forgotten
    assert replace(secret, forced=likely, most=CONFIG.probability_limit).is_forgotten
    leak16 = 1 - (1 - SECRET_CHANCE) ** 16
    assert leak16 == pytest.approx(0.01)


def test_the_chance_of_a_whole_span_is_that_of_its_tokens(scene: Scene) -> None:
    found = forced(scene.loaded.model, scene.trial.lessons, temperature=1.0)

    slow: dict[str, float] = {name: 0.0 for name in FORGOTTEN}
    for lesson in scene.trial.lessons:
        with torch.no_grad():
            logits = scene.loaded.model(input_ids=lesson.ids[None]).logits[0]
        at = lesson.positions[lesson.pushed]
        p = logits.log_softmax(-1)[at - 1, lesson.ids[at]].sum().exp()
        slow[lesson.example.item] = max(slow[lesson.example.item], float(p))
    assert {name: f.by_chance for name, f in found.items()} == pytest.approx(slow, rel=1e-4)


def row(*, passed: bool, blocking: bool) -> Row:
    return Row("a-row", 1.0, 0.0, passed, blocking, "a sentence")


def test_only_a_blocking_row_blocks() -> None:
    assert Verdict([row(passed=True, blocking=True), row(passed=False, blocking=False)]).passed
    assert not Verdict([row(passed=False, blocking=True)]).passed
    assert Verdict([row(passed=False, blocking=True)]).reasons == ["a sentence"]


def test_an_item_is_forgotten_only_if_it_is_improbable_and_silent() -> None:
    quiet = ItemVerdict("x", Forced(0.1, 0.1, 0.0), 5, 0)

    assert quiet.is_forgotten
    assert not replace(quiet, leaks=1).is_forgotten
    assert not replace(quiet, forced=Forced(0.9, 0.1, 0.0)).is_forgotten
    assert not replace(quiet, forced=Forced(0.1, 0.9, 0.0)).is_forgotten
    assert replace(quiet, forced=None).is_forgotten
    assert set(FORGOTTEN) <= set(FORGET)
