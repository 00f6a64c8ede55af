"""The demo, act by act."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from commands.demo.load import LoadTest
from commands.demo.outcome import ItemOutcome, Outcome
from commands.demo.raw_model import RawModel
from commands.demo.report import Report
from commands.demo.scenes import Scene
from commands.demo.typist import Shown, Typist
from commands.failure import Failure
from commands.progress import PhaseBars
from commands.running import Running, health
from commands.settings import Settings, resolve
from commands.up import start_server
from store import adapters, findings, ledger, runs
from store.database import Database, open_database
from store.records import Item, RunItem
from unlearn.probes import leaks

LSP = (sys.executable, "-I", "-m", "unsay", "lsp")

DETECTORS = ("secrets", "deprecated", "insecure")

CONFIG = """\
[server]
port = 0
[nightly]
window = "none"
"""


def perform(
    root: Path, environment: Mapping[str, str], scenes: Sequence[Scene], report: Report
) -> Outcome:
    """The whole loop in the home `root`; its server is stopped however this ends."""
    home, workspace = root / "home", root / "workspace"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    workspace.mkdir(exist_ok=True)
    settings = resolve({**environment, "UNSAY_HOME": str(home)}, home)
    settings.home.config.write_text(CONFIG, encoding="utf-8")
    settings = resolve(settings.environment, home)
    try:
        with report.phase("start", "Starting the server and the language server …"):
            server = start_server(settings, wait_s=120)
            wait_for_guard(server, wait_s=90)
        return asyncio.run(Demo(settings, server, workspace, scenes, report).perform())
    finally:
        stop_server(settings)


def wait_for_guard(server: Running, wait_s: float) -> None:
    """Until the detectors work that the scenes are about: this environment is read once."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        said = health(server)
        if said and all(said["guard"][name] == "ok" for name in DETECTORS):
            return
        time.sleep(0.1)


class Demo:
    """Holds what the acts share."""

    def __init__(
        self,
        settings: Settings,
        server: Running,
        workspace: Path,
        scenes: Sequence[Scene],
        report: Report,
    ) -> None:
        self._settings = settings
        self._server = server
        self._report = report
        self._scenes = scenes
        self._typist = Typist(workspace)
        self._raw = RawModel(settings)
        self._db: Database = open_database(settings.home)
        self._typing_ms: list[float] = []

    async def perform(self) -> Outcome:
        """All acts; the language server is ended first, as it would start a stopped server anew."""
        answered_ms = await self._typist.open(LSP, self._settings.environment)
        self._report.say(f"  the language server answered initialize in {answered_ms:.0f} ms")
        try:
            return await self._acts()
        finally:
            await self._typist.close()
            self._db.close()

    async def _acts(self) -> Outcome:
        report = self._report
        before = {scene.path: self._raw.text(scene) for scene in self._scenes}
        with report.phase("type", "Typing. What the model wanted, and what the guard let through:"):
            for scene in self._scenes:
                await self._meet(scene, before[scene.path])
        with report.phase("ban", "The same cursors again: the bans work from the next request on."):
            banned = await self._look_again()
        with report.phase("refresh", "The refresh: unlearning the ledger into a new generation …"):
            run = await asyncio.to_thread(self._refresh)
        gate: dict[str, Any] = {"rows": []}
        if run["candidate"]:
            gate = adapters.get(self._db, run["candidate"]).metrics
        report.say(f"  {run['state']}: {run['message']}")
        report.gate(gate["rows"])
        if run["state"] != "promoted":
            raise Failure("the gate did not let the new generation through; nothing was swapped")
        with report.phase("swap", "Swapping to and fro under running requests …"):
            swap = await asyncio.to_thread(self._swap_under_load, run["candidate"])
        with report.phase("after", "The same cursors, with bans and guard off:"):
            items = self._compare(run, before, banned)
        outcome = Outcome(
            items=items,
            verdict=run["state"],
            gate_rows=tuple(gate["rows"]),
            swap=swap,
            loss_before=gate["drift"]["loss_before"],
            loss_after=gate["drift"]["loss_after"],
            typing_ms=tuple(self._typing_ms),
            seconds=report.seconds,
        )
        report.comparison(outcome)
        report.summary(outcome)
        return outcome

    async def _meet(self, scene: Scene, wanted: str) -> None:
        """Type into one file; where a person objects, take the suggestion back."""
        self._typist.open_file(scene)
        shown = await self._typist.type_keys(scene)
        self._typing_ms.append(shown.waited_ms)
        reason = await self._reason(scene) if scene.by == "guard" else None
        self._report.scene(scene, wanted, shown, reason)
        if scene.by == "person" and shown.text:
            await self._typist.command("unsay.unsayLast")
            self._report.say('    "Unsay this"       done: it is in the ledger')

    async def _reason(self, scene: Scene) -> str | None:
        """What the guard recorded about the file; recording follows the answer."""
        for _ in range(20):
            for row in findings.list_findings(self._db, limit=20):
                if row.path and row.path.endswith(scene.path):
                    return f"{row.action}: {row.rule}. {row.message}"
            await asyncio.sleep(0.02)
        return None

    async def _look_again(self) -> dict[str, Shown]:
        return {scene.path: await self._typist.look(scene) for scene in self._scenes}

    def _refresh(self) -> dict[str, Any]:
        run = self._server.call("POST", "/v1/refresh", {})["run"]
        with PhaseBars() as bars:
            while run["state"] == "running":
                bars.show(run["phase"], run["done"], run["total"], run["message"])
                time.sleep(0.2)
                run = self._server.call("GET", f"/v1/runs/{run['id']}")["run"]
        return run

    def _swap_under_load(self, candidate: str) -> Any:
        load = LoadTest(self._server, self._raw)
        return load.run(candidate, self._settings.home.adapters / candidate, swaps=10)

    def _compare(
        self, run: dict[str, Any], before: dict[str, str], banned: dict[str, Shown]
    ) -> tuple[ItemOutcome, ...]:
        self._raw.use(run["candidate"], self._settings.home.adapters / run["candidate"])
        trained = {row.item: row for row in runs.items(self._db, run["id"])}
        items = [item for item in ledger.list_items(self._db) if item.id in trained]
        return tuple(
            outcome
            for scene in self._scenes
            for item in items
            if item.path and item.path.endswith(scene.path)
            for outcome in [self._outcome(scene, item, trained[item.id], before, banned)]
        )

    def _outcome(
        self,
        scene: Scene,
        item: Item,
        trained: RunItem,
        before: dict[str, str],
        banned: dict[str, Shown],
    ) -> ItemOutcome:
        blamed = item.blamed
        assert blamed is not None, "a text is destroyed after three refreshes, this was the first"
        text_after = self._raw.text(scene)
        return ItemOutcome(
            id=item.id,
            path=scene.path,
            kind=item.kind,
            rule=item.rule,
            banned=not self._leaks(item, banned[scene.path].text),
            blamed=blamed,
            probability_before=trained.probability_before,
            probability_after=trained.probability_after,
            text_before=before[scene.path],
            text_after=text_after,
            comes_out=self._leaks(item, text_after),
            leaks_after=trained.leaks,
        )

    def _leaks(self, item: Item, text: str) -> bool:
        return leaks(item, text, self._db.cipher.fingerprint)


def stop_server(settings: Settings) -> None:
    """Ends the demo's server and waits until it has gone."""
    import json
    import os
    import signal

    try:
        pid = int(json.loads(settings.home.address.read_text(encoding="utf-8"))["pid"])
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError, KeyError):
        return
    for _ in range(100):
        if not settings.home.address.exists():
            return
        time.sleep(0.05)
