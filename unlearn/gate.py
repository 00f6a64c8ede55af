"""The test a candidate must pass before it is served: what is measured, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from server.engine.adapters import merged, read_adapter
from server.engine.config import EngineConfig, Merge
from server.engine.errors import ChangeLost
from server.engine.load import LoadedModel
from server.engine.local import LocalEngine
from server.guard.finding import Case, Finding
from store.records import BASE, Item
from unlearn.config import RefreshConfig
from unlearn.forced import Forced, forced
from unlearn.infilling import filled_lines, function_cuts
from unlearn.integrity import end_fresh, flaw, start_fresh
from unlearn.probes import Said, said
from unlearn.rows import (
    forget_rows,
    guard_row,
    integrity_row,
    line_rows,
    merge_row,
    speech_row,
    utility_rows,
)
from unlearn.teacher import Lesson
from unlearn.train import Progress
from unlearn.utility import settled_drift
from unlearn.verdict import SECRET_CHANCE, ItemVerdict, Verdict


@dataclass(frozen=True)
class Trial:
    """What the gate judges by."""

    loaded: LoadedModel
    items: Sequence[Item]
    """All items in training."""
    new: frozenset[str]
    """Ids of those that were not forgotten before."""
    lessons: Sequence[Lesson]
    held_out: Sequence[Tensor]
    """The first eighth is always looked at, more only while it takes more to tell."""
    fingerprint: Callable[[str], str]
    check: Callable[[Case], Sequence[Finding]] | None = None
    """The guard, if there is one."""
    night: int = 1
    """The how many-eth candidate this is that is judged against the same base."""
    merge: Merge = "auto"
    """As the server is set."""


@dataclass
class _Asked:
    """What came out when the candidate was asked in the items' places."""

    verdicts: dict[str, ItemVerdict] = field(default_factory=dict[str, ItemVerdict])
    answers: list[str] = field(default_factory=list[str])
    """The served suggestion, of each item that has one."""
    flagged: int = 0
    """How many of these break the item's own rule again."""


def judge(
    folder: Path,
    name: str,
    trial: Trial,
    config: RefreshConfig,
    report: Progress = lambda done, total, message: None,
) -> Verdict:
    """Put the adapter in `folder`, which calls itself `name`, to the test.

    It is merged and asked as it would be served. An adapter that is not sound is not run at all.
    """
    wrong = flaw(folder, name, trial.loaded)
    if wrong is not None:
        return Verdict([integrity_row(wrong)])
    fresh = start_fresh(folder)
    loaded, steps = trial.loaded, len(trial.items) + 2
    candidate = merged(loaded, read_adapter(folder))
    report(0, steps, "measuring the held-out loss")
    apart, kept = settled_drift(
        loaded.model, candidate, trial.held_out, config.utility_budget, trial.night
    )
    found = forced(candidate, trial.lessons)
    del candidate
    engine = LocalEngine(loaded, EngineConfig(merge=trial.merge))
    try:
        served = engine.swap(name, folder)
        asked = _ask_all(engine, name, trial, config, found, report)
        report(steps - 1, steps, "comparing suggestions with the base's")
        cuts = function_cuts(config.seed)
        base, now = (filled_lines(engine, loaded, g, cuts) for g in (BASE, name))
    except ChangeLost as lost:
        return Verdict([integrity_row(end_fresh(fresh) or str(lost))])
    finally:
        engine.close()
    rows = [
        integrity_row(end_fresh(fresh)),
        merge_row(served.form, served.merge_error),
        *forget_rows(asked.verdicts.values(), trial.new, config),
        *guard_row(None if trial.check is None else asked.flagged, len(trial.items)),
        *speech_row(asked.answers),
        *utility_rows(apart, kept, config.utility_budget),
        *line_rows(base, now),
    ]
    return Verdict(rows, asked.verdicts, apart)


def _ask_all(
    engine: LocalEngine,
    name: str,
    trial: Trial,
    config: RefreshConfig,
    found: dict[str, Forced],
    report: Progress,
) -> _Asked:
    asked = _Asked()
    secrets = {item.id for item in trial.items if item.kind == "secret"}
    # new ones first; `Forced.by_chance` covers those too that are not sampled
    order = sorted(trial.items, key=lambda item: item.id not in trial.new)
    sampled = [item.id for item in order if item.id in secrets][: config.sampled_items]
    for done, item in enumerate(trial.items):
        report(done, len(trial.items) + 2, f"asking for item {done + 1} of {len(trial.items)}")
        answers = said(
            engine,
            trial.loaded,
            item,
            name,
            fingerprint=trial.fingerprint,
            samples=config.leak_samples if item.id in sampled else 0,
            seed=config.seed,
        )
        asked.verdicts[item.id] = ItemVerdict(
            item.id,
            found.get(item.id),
            asked=len(answers),
            leaks=sum(answer.leaks for answer in answers),
            most=SECRET_CHANCE if item.id in secrets else config.probability_limit,
        )
        asked.answers += [answer.text for answer in answers[:1]]
        asked.flagged += _still_flagged(item, answers, trial.check)
    return asked


def _still_flagged(
    item: Item, answers: Sequence[Said], check: Callable[[Case], Sequence[Finding]] | None
) -> bool:
    """Whether the guard finds the item's own rule in the served suggestion."""
    if check is None or not answers or item.prefix is None:
        return False
    case = Case(item.prefix, answers[0].text, item.suffix or "", item.language, item.path)
    return any(found.rule == item.rule for found in check(case))
