"""The loop on a real small model: what it changes, what it leaves, and when it stops."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from unlearn_scene import load_tiny, plain_item, without_replacement

from server.engine.load import LoadedModel
from store.records import Item
from unlearn.batch import standings
from unlearn.checkpoint import Checkpoint, training_key
from unlearn.config import RefreshConfig
from unlearn.crew import ALONE
from unlearn.forward import hidden_at, length_sorted, project
from unlearn.items import examples
from unlearn.keepsake import Keepsake, Kept, write_keepsake
from unlearn.ledger_update import keepsake_of
from unlearn.lora import WEIGHTS, Student
from unlearn.methods import method
from unlearn.retain import retain_set, shipped_files
from unlearn.roll import PASS_UPDATES, Roll, Standing
from unlearn.teacher import Lesson, anchors, hidden_token, teach
from unlearn.train import EASES, Progress, train
from unlearn.training import Training
from unlearn.watch import NEAR, Watch

FEW = RefreshConfig(max_updates=4, retain_size=4, retain_examples=2)


@pytest.fixture
def loaded(tiny_model: Path) -> LoadedModel:
    return load_tiny(tiny_model)


def punctuation(loaded: LoadedModel, token: int) -> bool:
    return not any(c.isalnum() for c in loaded.codec.decode([token]))


def lessons_of(
    loaded: LoadedModel, student: Student, items: list[Item], config: RefreshConfig = FEW
) -> list[Lesson]:
    found = examples(loaded, items, 512, method(config.method))
    with student.as_base() as base:
        return teach(base, found, config, lambda token: punctuation(loaded, token))


def standing(lesson: Lesson, forbidden: float, *, wanted: float = 0.0) -> Standing:
    """Every forbidden token of the lesson at one probability, every wanted one at another."""
    pushed, learned = int(lesson.pushed.sum()), int(lesson.wanted.sum())
    return Standing(torch.full((pushed,), forbidden), torch.full((learned,), wanted))


def trained(
    loaded: LoadedModel,
    items: list[Item],
    config: RefreshConfig,
    home: Path | None = None,
    report: Progress = lambda done, total, message: None,
) -> tuple[Student, list[Lesson], Training]:
    """With a `home`, the training is kept there on its way."""
    student = Student(loaded.model, seed=config.seed, start=None)
    lessons = lessons_of(loaded, student, items, config)
    keep = retain_set(loaded, [], config.retain_size, config.seed)
    with student.as_base() as base:
        held = anchors(base, keep.train, config.seed)
    checkpoint = None
    if home is not None:
        key = training_key(student, lessons, held, config, loaded.digest)
        checkpoint = Checkpoint(home / "training.pt", key)
    try:
        return student, lessons, train(student, lessons, held, config, report, checkpoint)
    except Killed:
        student.unload()
        raise


def test_an_adapter_is_shortened_as_far_as_everything_stays_forgotten(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [plain_item(name) for name in ("aws", "shell")]
    config = RefreshConfig(
        learning_rate=3e-3, max_updates=30, retain_size=8, retain_examples=2, ease=2.5
    )
    with monkeypatch.context() as patch:
        patch.setattr("unlearn.train.EASES", ())
        whole, _, training = trained(loaded, items, config)
    long = whole.state()
    whole.unload()

    eased, lessons, again = trained(loaded, items, config)
    short, now = eased.state(), standings(eased, lessons)
    eased.unload()

    shares = {
        round(float((short[name] * long[name]).sum() / long[name].square().sum()), 4)
        for name in long
        if "lora_B" in name
    }
    assert again.losses == training.losses
    assert len(shares) == 1 and shares.pop() in EASES
    for lesson, standing in zip(lessons, now, strict=True):
        assert bool((standing.forbidden <= config.ease * lesson.floor).all())


class Killed(Exception):
    """Stands for the end of the process."""


def test_projecting_only_scored_positions_gives_the_models_own_logits(
    loaded: LoadedModel,
) -> None:
    rows = [torch.tensor([9, 8, 7, 6, 5]), torch.tensor([30, 31, 32])]
    places = [torch.tensor([1, 4]), torch.tensor([2])]

    found = project(loaded.model, hidden_at(loaded.model, rows, places))

    whole = [loaded.model(row[None]).logits[0] for row in rows]
    expected = torch.stack([whole[0][0], whole[0][3], whole[1][1]])
    assert torch.allclose(found, expected, atol=1e-5)


def test_batches_are_of_similar_length_and_hold_everything_once() -> None:
    batches = length_sorted([5, 50, 6, 49, 400], 100)

    assert batches == [[0, 2], [3, 1], [4]]


def test_with_the_adapter_off_the_model_is_the_base_in_every_bit(
    loaded: LoadedModel, tiny_model: Path
) -> None:
    row = [torch.tensor([9, 8, 7, 6, 5])]
    place = [torch.tensor([1, 2, 3, 4])]
    before = hidden_at(loaded.model, row, place)

    student, _, _ = trained(loaded, [plain_item("mean")], FEW)
    with student.as_base() as base:
        off = hidden_at(base, row, place)
    on = hidden_at(student.model, row, place)
    student.unload()
    after = hidden_at(loaded.model, row, place)

    assert torch.equal(before, off) and torch.equal(before, after)
    assert not torch.equal(before, on)


def test_the_teachers_cached_states_give_the_bases_logits(loaded: LoadedModel) -> None:
    student = Student(loaded.model, seed=0, start=None)

    lesson = lessons_of(loaded, student, [plain_item("aws")])[0]

    whole = loaded.model(lesson.ids[None]).logits[0]
    found = project(loaded.model, lesson.base)
    assert torch.allclose(found, whole[lesson.positions - 1], atol=1e-4)


@pytest.mark.parametrize("deterministic", [False, True])
def test_equal_seeds_give_equal_adapters(
    tiny_model: Path, tmp_path: Path, deterministic: bool
) -> None:
    config = replace(FEW, deterministic=deterministic)
    digests: list[str] = []
    for name in ("one", "two"):
        student, _, _ = trained(load_tiny(tiny_model), [plain_item("checksum")], config)
        (tmp_path / name).mkdir()
        student.save(tmp_path / name, "tiny")
        digests.append(hashlib.sha256((tmp_path / name / WEIGHTS).read_bytes()).hexdigest())

    assert digests[0] == digests[1]
    assert torch.are_deterministic_algorithms_enabled() == deterministic


def killed_after(updates: int) -> Progress:
    def report(done: int, total: int, message: str) -> None:
        if done == updates:
            raise Killed

    return report


@pytest.mark.parametrize("aims", [True, False])
def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(
    loaded: LoadedModel, tmp_path: Path, aims: bool
) -> None:
    config = replace(FEW, aims=aims, max_updates=6, checkpoint_seconds=0.0, stops_per_item=False)
    items = [plain_item(name) for name in ("aws", "thread", "shell")]
    whole, *_ = trained(loaded, items, config)
    expected = whole.state()
    whole.unload()

    with pytest.raises(Killed):
        trained(loaded, items, config, tmp_path, killed_after(4))
    seen = list[int]()
    again, _, training = trained(
        loaded, items, config, tmp_path, lambda done, total, message: seen.append(done)
    )

    found = again.state()
    again.unload()
    assert seen == [4, 5, 6]  # the update it was killed in is made once more
    assert len(training.losses) == training.updates == 6
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_training_that_was_over_when_killed_is_not_shortened_twice(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    config = replace(FEW, max_updates=30, ease=2.5)
    once, *_ = trained(loaded, [plain_item("aws")], config, tmp_path)
    expected = once.state()
    once.unload()

    twice, _, training = trained(loaded, [plain_item("aws")], config, tmp_path)

    found = twice.state()
    twice.unload()
    assert training.updates == len(training.losses) > 0
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_between_looks_only_lessons_that_may_come_back_are_asked_again(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    student, lessons, _ = trained(loaded, [plain_item("aws"), plain_item("shell")], FEW)
    watch = Watch(student, lessons, ease=4.0, crew=ALONE)
    first = watch.all()
    asked = list[int]()

    def count(student: Student, chosen: Sequence[Lesson]) -> list[Standing]:
        asked.append(len(chosen))
        return standings(student, chosen)

    monkeypatch.setattr("unlearn.watch.standings", count)
    near = [i for i in range(len(lessons)) if watch.room(i) < NEAR]
    watch.all()  # nothing has moved
    watch.moved([0], [Standing(torch.zeros_like(first[0].forbidden), first[0].wanted)])
    unasked = watch.near(())
    asked_too = watch.near(range(len(lessons)))
    student.unload()

    near_still = [i for i in near if i > 0]
    assert asked == [0, len(near_still), len(lessons) - len(near_still)]
    assert 0 < len(near_still) < len(lessons)
    assert float(unasked[0].forbidden.max()) == 0.0
    for mine, now in zip(first, asked_too, strict=True):
        assert torch.equal(mine.forbidden, now.forbidden)


def test_what_another_training_left_is_not_gone_on_with(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    config = replace(FEW, checkpoint_seconds=0.0, stops_per_item=False)
    with pytest.raises(Killed):
        trained(loaded, [plain_item("aws")], config, tmp_path, killed_after(3))
    seen = list[int]()

    other, *_ = trained(
        loaded,
        [plain_item("shell")],
        config,
        tmp_path,
        lambda done, total, message: seen.append(done),
    )

    other.unload()
    assert seen == [1, 2, 3, 4]


def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    Checkpoint(path, "one").write({"losses": [1.0]})
    assert Checkpoint(path, "one").read() == {"losses": [1.0]}
    assert path.stat().st_mode & 0o777 == 0o600

    path.write_bytes(path.read_bytes()[:-40])

    assert Checkpoint(path, "one").read() is None


def test_a_saved_adapter_is_where_the_next_training_starts(
    tiny_model: Path, tmp_path: Path
) -> None:
    first, lessons, _ = trained(load_tiny(tiny_model), [plain_item("checksum")], FEW)
    first.save(tmp_path, "tiny")
    left = standings(first, lessons)

    second = Student(load_tiny(tiny_model).model, seed=5, start=tmp_path)

    assert all(
        torch.allclose(a.forbidden, b.forbidden)
        for a, b in zip(left, standings(second, lessons), strict=True)
    )


@pytest.mark.parametrize("name", ["ga_kl", "selective_ga", "dpo", "prod", "span_prod"])
def test_a_method_of_each_sort_makes_an_item_less_probable(loaded: LoadedModel, name: str) -> None:
    config = replace(FEW, method=name, learning_rate=2e-3)

    _, _, training = trained(loaded, [plain_item("load")], config)

    trail = training.trails["load"]
    assert trail.before > 0.9
    assert trail.after < trail.before
    assert training.updates == 4 and trail.steps == 4


def test_the_rate_rises_over_the_warm_up(loaded: LoadedModel) -> None:
    moved: list[float] = []
    for warmup in (0, 3):
        config = replace(FEW, max_updates=1, warmup_updates=warmup)
        student, _, _ = trained(loaded, [plain_item("load")], config)
        ups = [value for name, value in student.state().items() if "lora_B" in name]
        moved.append(max(float(up.abs().max()) for up in ups))  # each B began at zero
        student.unload()

    assert moved[1] == pytest.approx(moved[0] / 4, rel=1e-3)


def test_an_item_that_is_forgotten_already_costs_no_update(loaded: LoadedModel) -> None:
    unknown = replace(plain_item("mean"), target="zxq vw", end=6)

    _, _, training = trained(loaded, [unknown], replace(FEW, tau=0.9, later_tau=0.9))

    assert training.updates == 0
    assert training.trails["mean"].steps == 0


def test_an_item_leaves_the_batch_alone_and_comes_back_if_it_must(loaded: LoadedModel) -> None:
    student = Student(loaded.model, seed=0, start=None)
    items = [without_replacement(plain_item(name)) for name in ("mean", "read")]
    lessons = lessons_of(loaded, student, items)
    roll = Roll(lessons, FEW)
    high, low = ([standing(lesson, p) for lesson in lessons] for p in (0.9, 0.0))
    of_mean = [i for i, lesson in enumerate(lessons) if lesson.example.item == "mean"]

    roll.enter(high)
    both = roll.items
    roll.note(of_mean, [low[i] for i in of_mean])
    one = roll.items
    batch = roll.batch()
    roll.enter(high)

    assert (both, one, roll.items) == ({"mean", "read"}, {"read"}, {"mean", "read"})
    assert not set(batch) & set(of_mean)


def test_however_many_lessons_all_have_their_turn_in_few_updates(loaded: LoadedModel) -> None:
    student = Student(loaded.model, seed=0, start=None)
    few = lessons_of(loaded, student, [plain_item("aws")])
    student.unload()
    many = [
        replace(one, example=replace(one.example, item=f"item-{i}"))
        for i in range(200)
        for one in few
    ]
    roll = Roll(many, FEW)
    roll.enter([standing(lesson, 0.9) for lesson in many])

    batches = [roll.batch() for _ in range(2 * PASS_UPDATES)]

    turns = [i for batch in batches for i in batch]
    assert set(turns) == set(range(len(many)))
    assert max(map(len, batches)) > FEW.batch_examples


def test_a_replacement_leaves_together_with_its_item(loaded: LoadedModel) -> None:
    student = Student(loaded.model, seed=0, start=None)
    lessons = lessons_of(loaded, student, [plain_item("thread")])
    roll = Roll(lessons, FEW)
    wanted = [i for i, lesson in enumerate(lessons) if lesson.wanted.any()]

    roll.enter([standing(lesson, 0.9) for lesson in lessons])
    batch = roll.batch()
    roll.enter([standing(lesson, 0.0, wanted=0.9) for lesson in lessons])

    assert wanted and set(wanted) <= set(batch)
    assert roll.batch() == []


def test_an_item_stays_until_its_replacement_is_learned(loaded: LoadedModel) -> None:
    student = Student(loaded.model, seed=0, start=None)
    lessons = lessons_of(loaded, student, [plain_item("thread")])
    roll = Roll(lessons, FEW)

    roll.enter([standing(lesson, 0.0, wanted=0.1) for lesson in lessons])

    assert roll.items == {"thread"}
    assert all(lessons[i].wanted.any() for i in roll.batch())


def test_a_sequence_and_what_is_wanted_in_its_place_stand_in_one_batch(
    loaded: LoadedModel,
) -> None:
    config = replace(FEW, method="dpo", batch_examples=3, stops_per_item=False)
    items = [plain_item(name) for name in ("thread", "load", "aws")]
    lessons = lessons_of(loaded, Student(loaded.model, seed=0, start=None), items, config)
    roll = Roll(lessons, config)
    roll.enter([standing(lesson, 0.0, wanted=1.0) for lesson in lessons])

    dealt = [roll.batch() for _ in range(len(lessons))]

    for batch in dealt:
        pairs = {lessons[i].pair for i in batch}
        assert [i for i, lesson in enumerate(lessons) if lesson.pair in pairs] == sorted(batch)


def pushed_places(lesson: Lesson) -> set[int]:
    return {int(t) for t in lesson.positions[lesson.pushed]}


def test_punctuation_that_nothing_can_replace_is_held_and_not_pushed(
    loaded: LoadedModel,
) -> None:
    student = Student(loaded.model, seed=0, start=None)
    code, secret = plain_item("checksum"), replace(plain_item("checksum"), kind="secret")

    as_code = lessons_of(loaded, student, [code])[0]
    as_secret = lessons_of(loaded, student, [replace(secret, replacement=None)])[0]

    held = [int(as_code.ids[t]) for t in pushed_places(as_secret) - pushed_places(as_code)]
    assert held and all(punctuation(loaded, token) for token in held)
    first = as_code.positions[as_code.pushed][:4]
    assert torch.equal(first, as_secret.positions[as_secret.pushed][:4])


def test_a_destroyed_secret_is_still_pushed_and_its_token_guessed_right(
    loaded: LoadedModel,
) -> None:
    student = Student(loaded.model, seed=0, start=None)
    item = plain_item("aws")
    whole = lessons_of(loaded, student, [item])
    keepsake = keepsake_of(item, whole)
    assert keepsake is not None

    kept = replace(item, target=write_keepsake(keepsake), is_destroyed=True)
    lessons = lessons_of(loaded, student, [kept])

    blamed = [lesson.positions[lesson.pushed][0] for lesson in whole if not lesson.example.typed]
    tokens = [int(whole[0].ids[blamed[0]]), int(whole[-1].ids[blamed[-1]])]
    assert [int(lesson.forbidden[0, 0]) for lesson in lessons] == tokens
    assert all(lesson.before > 0.9 for lesson in lessons)
    assert all(
        int(token) not in lesson.example.ids[-1:]
        for token, lesson in zip(tokens, lessons, strict=True)
    )


def test_a_keepsake_does_not_hold_the_secret(loaded: LoadedModel) -> None:
    student = Student(loaded.model, seed=0, start=None)
    item = plain_item("password")

    keepsake = keepsake_of(item, lessons_of(loaded, student, [item]))

    assert keepsake is not None and item.target is not None
    first = loaded.codec.encode(item.target)[0]
    assert item.target not in write_keepsake(keepsake)
    assert all(first not in kept.ids for kept in keepsake.targets.values())
    assert all(sum(kept.mass) == pytest.approx(1.0) for kept in keepsake.targets.values())


def test_the_hidden_token_is_the_first_choice_outside_what_is_kept() -> None:
    keepsake = keepsake_with((2, 0))

    assert hidden_token(torch.tensor([5.0, 9.0, 3.0, 1.0]), keepsake) == 1


def keepsake_with(ids: tuple[int, ...]) -> Kept:
    return Keepsake("", {"fim": Kept(ids, (0.5, 0.5))}).targets["fim"]


def test_the_halves_of_the_retain_set_share_no_text(loaded: LoadedModel) -> None:
    keep = retain_set(loaded, ["x = 1", "y = f(2)"] * 40, 12, seed=3)

    def texts(rows: list[Tensor]) -> set[tuple[int, ...]]:
        return {tuple(int(i) for i in row) for row in rows}

    assert len(keep.train) == len(keep.held_out) == 12
    assert all(1 < len(row) <= 128 for row in (*keep.train, *keep.held_out))
    assert not texts(keep.train[2:]) & texts(keep.held_out[2:])


def test_the_retain_set_is_the_same_for_the_same_seed(loaded: LoadedModel) -> None:
    one, two = (retain_set(loaded, ["a = 1"], 6, seed=4) for _ in range(2))

    assert all(torch.equal(a, b) for a, b in zip(one.train, two.train, strict=True))
    assert shipped_files() == shipped_files()


def test_another_turn_draws_other_sequences_from_the_same_halves(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    for i in range(20):
        (tmp_path / f"{i}.py").write_text(f"# file{i:02}\n" + f"x = 'file{i:02}'\n" * 90)
    files, accepted = sorted(tmp_path.glob("*.py")), [f"accepted{i:02} = {i}" for i in range(40)]

    turns = [retain_set(loaded, accepted, 24, 5, files, turn=turn) for turn in ("a", "b")]

    def named(rows: Iterable[Tensor]) -> set[str]:
        texts = (loaded.codec.decode([int(i) for i in row]) for row in rows)
        return {name for text in texts for name in re.findall(r"(?:file|accepted)\d\d", text)}

    one, two = turns
    assert not all(torch.equal(a, b) for a, b in zip(one.train, two.train, strict=True))
    assert not named([*one.train, *two.train]) & named([*one.held_out, *two.held_out])
    assert any(name.startswith("accepted") for name in named(one.held_out))


def test_what_holds_the_rest_gives_way_to_what_resists() -> None:
    config = RefreshConfig(retain=20.0, few_items=6, patience=24)

    asked = ((6, 6, 24), (6, 6, 48), (6, 1, 72), (12, 6, 48), (12, 12, 96), (6, 6, 240))
    rho = [config.weights(*numbers).retain for numbers in asked]

    assert rho == [20.0, 10.0, 5.0, 20.0, 5.0, 2.5]


def test_a_line_too_long_for_a_sequence_is_retained_left_to_right(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        table = ", ".join(str(i) for i in range(400))
        (tmp_path / f"{name}.py").write_text(f"def f(x):\n    return x\n\nTABLE = [{table}]\n" * 3)

    found = retain_set(loaded, [], 12, 0, sorted(tmp_path.glob("*.py")))

    assert len(found.train) == len(found.held_out) == 12
