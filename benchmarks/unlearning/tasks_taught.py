"""The tasks about what the model is taught first: licensed files, insecure lines, old calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchmarks.unlearning.by_heart import Sizes, dealt, said_by_heart
from benchmarks.unlearning.deprecated_calls import call_item
from benchmarks.unlearning.labelled_sets import insecure_items, licensed_items, split_file
from benchmarks.unlearning.task import Task, TaskName
from benchmarks.unlearning.taught import INSECURE, calls, taught_apis, untaught_apis, valid_calls
from benchmarks.unlearning.unseen import unseen_code
from benchmarks.unlearning.variants import variants
from server.engine.load import LoadedModel
from store.records import Item

SEED = 41
TRAINED_CONTEXTS = 2
"""In so many places a deprecated call is unlearned; in its other places it is only looked for."""


def licensed(loaded: LoadedModel, sizes: Sizes | None = None) -> Task:
    """PROD's files, each from its half on; the controls are files that nobody taught it."""
    sizes = sizes or Sizes()
    cut = (split_file(loaded, 1000 + i, f.text) for i, f in enumerate(unseen_code().files))
    controls = (one for one in cut if one is not None)
    return _task("licensed", loaded, licensed_items(loaded), controls, sizes)


def insecure(loaded: LoadedModel, sizes: Sizes | None = None) -> Task:
    """CyberSecEval's lines; the controls are lines of the same set that it was not taught."""
    lines = insecure_items(loaded)
    return _task("insecure", loaded, lines[:INSECURE], lines[INSECURE:], sizes or Sizes())


def deprecated(loaded: LoadedModel, sizes: Sizes | None = None) -> Task:
    """Deprecated calls, split by API, each in two places of its own that follow each other.

    Its other places are among the variants; the neighbours are valid calls, so that they measure
    the retention of other APIs; the controls are deprecated calls that it was not taught.
    """
    sizes, valid = sizes or Sizes(), valid_calls()
    old = {api.name: calls(api) for api in taught_apis()}
    known = said_by_heart(loaded, [*(one for group in old.values() for one in group), *valid])
    ids = {one.id for one in known}
    trained = [[one for one in group if one.id in ids][:TRAINED_CONTEXTS] for group in old.values()]
    drawn = [one for group in trained if len(group) == TRAINED_CONTEXTS for one in group]
    wanted = sizes.forget + sizes.tuning
    forget_size = min(sizes.forget, len(drawn) * sizes.forget // max(1, wanted))
    forget_size -= forget_size % TRAINED_CONTEXTS
    forget, tuning = drawn[:forget_size], drawn[forget_size:][: sizes.tuning]
    elsewhere = {
        one.id: tuple(
            replace(other, id=f"{one.id}/{other.id.rsplit('-', 1)[1]}")
            for other in old[one.rule]
            if other.id in ids and other not in drawn
        )
        for one in (*forget, *tuning)
    }
    return Task(
        name="deprecated",
        forget=tuple(forget),
        tuning=tuple(tuning),
        neighbours=tuple(one for one in valid if one.id in ids)[: sizes.neighbours],
        controls=tuple(call_item(api, 0) for api in untaught_apis())[: sizes.controls],
        variants={
            id: (*variants(one), *elsewhere[id]) for one in (*forget, *tuning) if (id := one.id)
        },
    )


def _task(
    name: TaskName,
    loaded: LoadedModel,
    items: list[Item],
    controls: Iterable[Item],
    sizes: Sizes,
) -> Task:
    forget, tuning, neighbours = dealt(said_by_heart(loaded, items), sizes)
    return Task(
        name=name,
        forget=forget,
        tuning=tuning,
        neighbours=neighbours,
        controls=tuple(one for one, _ in zip(controls, range(sizes.controls), strict=False)),
        variants={one.id: variants(one) for one in (*forget, *tuning)},
    )
