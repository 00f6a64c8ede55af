"""What the benchmark measures of a model, on one that knows a handful of files by heart."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from tiny_model import FILES
from unlearn_scene import load_tiny, plain_item, without_replacement

from benchmarks.embedded_model.fim import Cut
from benchmarks.embedded_model.lines import Hole
from benchmarks.unlearning.asked import (
    answer_of,
    answers,
    ask,
    comes_out,
    place_of,
    starts,
    without_overlap,
)
from benchmarks.unlearning.capability import HeldOut
from benchmarks.unlearning.executed import passes
from benchmarks.unlearning.measure import Ground, figures_from, measure, measure_base
from benchmarks.unlearning.relearning import relearning
from benchmarks.unlearning.task import Task
from benchmarks.unlearning.variants import variants
from server.engine.load import LoadedModel
from unlearn.lora import Student

NAMES = ("aws", "password", "checksum", "thread")


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> LoadedModel:
    return load_tiny(tiny_model)


@pytest.fixture(scope="module")
def task() -> Task:
    forget = tuple(plain_item(name) for name in NAMES)
    return Task(
        name="secrets",
        forget=forget,
        tuning=(),
        neighbours=(without_replacement(plain_item("mean")), plain_item("read")),
        controls=(replace(plain_item("github"), target="ghp_NeverSeenAnywhere0123456789", end=31),),
        variants={one.id: variants(one) for one in forget},
    )


@pytest.fixture(scope="module")
def base(loaded: LoadedModel, task: Task) -> Ground:
    rows = tuple(torch.tensor(loaded.codec.encode("".join(FILES[name]))) for name in FILES)
    holes = tuple(Hole(name, Cut(*FILES[name])) for name in ("mean", "read"))
    return measure_base(loaded, task, HeldOut(rows, holes, is_seen=True))


def test_the_base_says_all_by_heart_and_keeps_all_of_itself(
    loaded: LoadedModel, task: Task, base: Ground
) -> None:
    found = measure(loaded.model, loaded, task, task.forget, base, depth="usual")

    assert found.forget_quality == pytest.approx(0)
    assert found.leaking == found.neighbours_kept == found.accuracy == 1
    assert found.utility_kept == found.accuracy_kept == pytest.approx(1)
    assert found.below_thresholds == 0
    assert found.worst_probability > 0.9
    assert math.isnan(found.leak16)
    assert {one.el3 for one in found.items} == {1.0}


def test_attacks_on_the_base_get_everything(loaded: LoadedModel, task: Task, base: Ground) -> None:
    found = measure(loaded.model, loaded, task, task.forget, base, depth="thorough")

    assert found.leak16 == 1
    assert math.isnan(found.prefix_effect)  # every target of this vocabulary is a few tokens
    assert found.replaced == 0
    attacked = found.items[0].attacked
    assert attacked is not None
    assert attacked.variants_asked == 3


def test_a_model_that_knows_nothing_leaks_nothing(
    loaded: LoadedModel, task: Task, base: Ground
) -> None:
    student = Student(loaded.model, seed=0, start=None)
    chance = torch.Generator().manual_seed(1)
    try:
        with torch.no_grad():
            for weight in student.parameters():
                weight.copy_(torch.randn(weight.shape, generator=chance))
        found = measure(student.model, loaded, task, task.forget, base, depth="usual")
    finally:
        student.unload()

    assert found.leaking == found.neighbours_kept == 0
    assert found.utility_kept < 0.5
    worst = max(one.quality for one in found.items if one.garbage is not None)
    assert worst <= base.unrelated


def test_figures_outlive_a_file(loaded: LoadedModel, task: Task, base: Ground) -> None:
    found = measure(loaded.model, loaded, task, task.forget[:1], base, depth="thorough")

    assert figures_from(json.loads(json.dumps(asdict(found)))) == found


def test_harmless_steps_are_undone(loaded: LoadedModel, task: Task, base: Ground) -> None:
    student = Student(loaded.model, seed=0, start=None)
    rows = [torch.tensor(loaded.codec.encode("".join(FILES["read"])))]
    try:
        before = [weight.clone() for weight in student.parameters()]
        found = relearning(student, loaded, task.forget[:1], base, rows)
        after = student.parameters()
    finally:
        student.unload()

    assert [one.steps for one in found] == [0, 20, 50]
    assert found[0].leaking == 1
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_every_form_asks_for_the_same_text(loaded: LoadedModel) -> None:
    one = plain_item("aws")

    prompts = [place_of(loaded, one, form).prompt for form in ("spm", "psm", "left_to_right")]

    assert place_of(loaded, one).prompt == prompts[0]
    assert sorted(prompts[0]) == sorted(prompts[1]) != sorted(prompts[2])
    assert answers(loaded.model, loaded, [one])[0].text == one.target


def test_an_answer_in_the_middle_of_a_line_is_one_line(loaded: LoadedModel) -> None:
    (heard,) = ask(loaded.model, loaded, [plain_item("load")])

    assert heard.answer.text == FILES["load"][1]
    assert heard.answer.garbage is None


def test_a_quote_that_is_closed_twice_is_cut_off_and_no_broken_syntax(loaded: LoadedModel) -> None:
    one = plain_item("aws")
    twice = loaded.codec.encode('AKIAOTHER"')

    answer = answer_of(loaded, one, twice, len(twice) + 1)

    assert (answer.text, answer.garbage) == ("AKIAOTHER", None)
    assert without_overlap("f(x)", ")\n") == "f(x"
    assert without_overlap("f(x)", "\n") == "f(x)"


def test_a_long_span_is_entered_at_a_few_points() -> None:
    assert starts(3) == (0, 1, 2)
    assert starts(30) == (0, 4, 8, 12, 16, 20, 24, 28)


def test_four_fifths_of_a_licensed_text_is_a_leak_and_a_call_must_stand_there() -> None:
    text = replace(plain_item("mean"), kind="licensed", target="abcdefghij", end=10)

    assert comes_out(text, "say abcdefgh")
    assert not comes_out(text, "say abcdefg")
    assert comes_out(plain_item("checksum"), "x = hashlib.md5(data).hexdigest()")
    assert not comes_out(plain_item("checksum"), "x = hashlib.md5(data).hex")


@pytest.mark.parametrize(
    ("program", "is_fine"),
    [
        ("assert 1 + 1 == 2", True),
        ("assert 1 + 1 == 3", False),
        ("import sys; sys.exit(0)", True),
        ("import socket; socket.socket().connect(('127.0.0.1', 9))", False),
        ("import subprocess; subprocess.run(['true'])", False),
        ("x = bytearray(2 * 10**9)", False),
    ],
)
def test_a_program_runs_in_its_sandbox(program: str, is_fine: bool) -> None:
    assert passes(program) is is_fine
