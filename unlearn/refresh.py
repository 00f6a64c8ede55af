"""The batch job; killed at any point, the old generation goes on serving."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import cast

from filelock import FileLock, Timeout

from server.engine.config import EngineConfig
from server.engine.load import LoadedModel
from server.guard.config import GuardConfig
from server.guard.guard import Guard
from store import adapters, ledger, runs, suggestions
from store.database import Database, open_database
from store.home import Home
from store.records import BASE, Adapter, Run, RunPhase, RunState
from store.stamp import now
from unlearn.candidate import Candidate, sweep, write_candidate
from unlearn.certificate import newest, write_certificate
from unlearn.checkpoint import Checkpoint, training_key
from unlearn.config import RefreshConfig
from unlearn.crew import ALONE, Crew
from unlearn.errors import RefreshRunning
from unlearn.gate import Trial, judge
from unlearn.ledger_update import ban_again, destroy_verified, retire_bans, run_rows
from unlearn.lookalikes import lookalikes
from unlearn.lora import Student
from unlearn.preparation import Prepared, Work, loaded_model, prepared
from unlearn.promotion import promote
from unlearn.provenance import attacks, provenance
from unlearn.selection import Selection, select
from unlearn.teacher import Lesson
from unlearn.train import Progress, train
from unlearn.training import Training
from unlearn.verdict import Verdict

Report = Callable[[RunPhase, int, int, str], None]
"""Phase, done, total (0: unknown), one sentence."""

ACCEPTED = 2000
"""So many of the latest accepted suggestions may enter the retain set."""


def refresh(
    home: Home,
    engine: EngineConfig,
    guard: GuardConfig | None,
    config: RefreshConfig,
    report: Report = lambda phase, done, total, message: None,
    crew: Crew = ALONE,
) -> Run:
    """Run one refresh to its end and return how it went; the others of a `crew` run `assist`.

    Raises RefreshRunning while another one runs in this home; whatever else goes wrong is raised
    too, after the run was closed as failed. The generation that serves is changed only at the end.
    """
    home.ensure()
    lock = FileLock(home.refresh_lock)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RefreshRunning from error
    db: Database | None = None
    try:
        db = open_database(home)
        sweep(home.adapters, db)
        run = runs.start(db, config.mode, config.method, os.getpid())
        started = _Refresh(home, db, run, engine, guard, config, report, crew)
        with _closing(db, run):
            try:
                return started.carry_out()
            finally:
                started.dismiss()
    finally:
        if db is not None:
            db.close()
        lock.release()


@contextmanager
def _closing(db: Database, run: Run) -> Generator[None]:
    try:
        yield
    except BaseException as error:
        why = str(error) or type(error).__name__
        runs.finish(db, run.id, "failed", why)
        raise


def assist(engine: EngineConfig, config: RefreshConfig, crew: Crew) -> None:
    """Train along with the crew's first process, if there is anything to train."""
    work = crew.from_first(cast(Work | None, None))
    if work is None:
        return
    loaded = loaded_model(engine)
    found = prepared(loaded, work, config)
    train(
        found.student, found.lessons, found.retain, config, crew=crew, lookalikes=found.lookalikes
    )


class _Refresh:
    """One refresh: what its phases share."""

    def __init__(
        self,
        home: Home,
        db: Database,
        run: Run,
        engine: EngineConfig,
        guard: GuardConfig | None,
        config: RefreshConfig,
        report: Report,
        crew: Crew,
    ) -> None:
        self._home, self._db, self._run = home, db, run
        self._engine, self._guard, self._config = engine, guard, config
        self._report, self._crew = report, crew
        self._has_called = False

    def dismiss(self) -> None:
        """Let the others of the crew go, unless they are at work."""
        if not self._has_called:
            self._crew.from_first(cast(Work | None, None))

    def carry_out(self) -> Run:
        self._say("select", 0, 0, "choosing what to forget")
        chosen = select(self._db, self._config)
        self._say("select", 1, 1, chosen.why)
        if not chosen.items and chosen.mode == "rebuild" and chosen.serving != BASE:
            return self._back_to_base(chosen)
        if not chosen.new and (chosen.mode == "incremental" or not chosen.items):
            return self._end("nothing_to_do", "nothing new is to be forgotten")
        loaded = self._load()
        found = self._teach(loaded, chosen)
        training = self._train(loaded, found)
        candidate = self._write(loaded, found.student, chosen)
        verdict = self._judge(loaded, chosen, found, candidate)
        self._certify(loaded, chosen, candidate, training, verdict)
        self._home.training.unlink(missing_ok=True)
        runs.record_items(self._db, run_rows(self._run.id, chosen.items, training, verdict))
        if not verdict.passed:
            adapters.set_state(self._db, candidate.name, "rejected")
            why = "; ".join(verdict.reasons)
            return self._end("rejected", f"{candidate.name} is not served: {why}", candidate.name)
        return self._promote(chosen, candidate, found.lessons, verdict)

    def _load(self) -> LoadedModel:
        self._say("teacher", 0, 0, "loading the model")
        return loaded_model(self._engine)

    def _teach(self, loaded: LoadedModel, chosen: Selection) -> Prepared:
        accepted = [s.text for s in suggestions.accepted(self._db, ACCEPTED)]
        start = None if chosen.parent == BASE else self._home.adapters / chosen.parent
        self._say("teacher", 0, 0, "asking the base in places like the secrets'")
        alike = lookalikes(
            loaded,
            # a rebuild must not depend on what was forgotten before
            chosen.items if chosen.mode == "rebuild" else chosen.new,
            chosen.items,
            self._config,
            self._db.cipher.fingerprint,
        )
        work = self._crew.from_first(Work(chosen.items, accepted, start, alike))
        self._has_called = True
        return prepared(loaded, work, self._config, self._progress("teacher"))

    def _train(self, loaded: LoadedModel, found: Prepared) -> Training:
        held = [*found.retain, *found.lookalikes]
        key = training_key(found.student, found.lessons, held, self._config, loaded.digest)
        training = train(
            found.student,
            found.lessons,
            found.retain,
            self._config,
            self._progress("train"),
            Checkpoint(self._home.training, key),
            self._crew,
            found.lookalikes,
        )
        done = len(training.losses)
        self._say("train", done, max(done, 1), training.sentence())
        return training

    def _write(self, loaded: LoadedModel, student: Student, chosen: Selection) -> Candidate:
        candidate = write_candidate(
            self._home.adapters,
            adapters.next_number(self._db),
            student,
            base_name=loaded.name,
            base_digest=loaded.digest,
            parent=chosen.parent,
        )
        student.unload()
        return candidate

    def _judge(
        self,
        loaded: LoadedModel,
        chosen: Selection,
        found: Prepared,
        candidate: Candidate,
    ) -> Verdict:
        with _guarded(self._guard) as guard:
            trial = Trial(
                loaded=loaded,
                items=chosen.items,
                new=frozenset(item.id for item in chosen.new),
                lessons=found.lessons,
                held_out=found.held_out,
                fingerprint=self._db.cipher.fingerprint,
                check=None if guard is None else guard.check,
                night=1 + _judged_against(self._db, loaded.digest),
                merge=self._engine.merge,
            )
            return judge(
                candidate.folder, candidate.name, trial, self._config, self._progress("gate")
            )

    def _certify(
        self,
        loaded: LoadedModel,
        chosen: Selection,
        candidate: Candidate,
        training: Training,
        verdict: Verdict,
    ) -> None:
        found = write_certificate(
            candidate.folder,
            name=candidate.name,
            parent=chosen.parent,
            created_at=now(),
            mode=chosen.mode,
            config=self._config,
            verdict=verdict,
            items=chosen.items,
            removed=chosen.withdrawn if chosen.mode == "rebuild" else (),
            figures=training.figures(),
            provenance=provenance(loaded, chosen.items),
            attacks=attacks(loaded, self._config),
            previous=newest(self._home.adapters),
        )
        candidate.finish()
        metrics = {name: found[name] for name in ("verdict", "rows", "drift", "training")}
        adapters.add(
            self._db,
            Adapter(
                name=candidate.name,
                created_at=found["created_at"],
                parent=chosen.parent,
                digest=candidate.digest,
                base_digest=loaded.digest,
                method=self._config.method,
                mode=chosen.mode,
                state="candidate",
                run=self._run.id,
                metrics=metrics,
            ),
        )

    def _promote(
        self, chosen: Selection, candidate: Candidate, lessons: list[Lesson], verdict: Verdict
    ) -> Run:
        self._say("promote", 0, 1, f"{candidate.name} passed the gate")
        relapsed = ban_again(self._db, chosen.old, verdict)
        adapters.set_state(self._db, candidate.name, "passed")
        how = promote(self._home, self._db, candidate.name, expected=chosen.serving)
        retired = retire_bans(self._db, chosen.items, verdict, candidate.name)
        destroyed = destroy_verified(self._db, (item.id for item in chosen.items), lessons)
        if chosen.mode == "rebuild":
            ledger.purge(self._db, (item.id for item in chosen.withdrawn))
        self._say("promote", 1, 1, how)
        parts = [f"{how}; {retired} of {len(chosen.new)} items forgotten, their bans retired"]
        parts += [f"{len(relapsed)} came back and are banned again"] if relapsed else []
        parts += [f"the texts of {destroyed} secrets destroyed"] if destroyed else []
        return self._end("promoted", "; ".join(parts), candidate.name)

    def _back_to_base(self, chosen: Selection) -> Run:
        """Everything was taken back: the exact undo of all of it is the base itself."""
        self._say("promote", 0, 1, "nothing is left to forget: back to the base")
        how = promote(self._home, self._db, BASE, expected=chosen.serving)
        ledger.purge(self._db, (item.id for item in chosen.withdrawn))
        return self._end("promoted", how, BASE)

    def _end(self, state: RunState, message: str, candidate: str | None = None) -> Run:
        return runs.finish(self._db, self._run.id, state, message, candidate)

    def _progress(self, phase: RunPhase) -> Progress:
        return lambda done, total, message="": self._say(phase, done, total, message)

    def _say(self, phase: RunPhase, done: int, total: int, message: str) -> None:
        runs.progress(self._db, self._run.id, phase, done, total, message)
        self._report(phase, done, total, message)


def _judged_against(db: Database, base_digest: str) -> int:
    """How many candidates have been judged against this base."""
    return sum(adapter.base_digest == base_digest for adapter in adapters.list_adapters(db))


@contextmanager
def _guarded(config: GuardConfig | None) -> Generator[Guard | None]:
    if config is None:
        yield None
        return
    guard = Guard(config)
    try:
        yield guard
    finally:
        guard.close()
