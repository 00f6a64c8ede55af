"""Says what happens, as it happens, in plain lines."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from commands.demo.outcome import Outcome
from commands.demo.scenes import Scene
from commands.demo.typist import Shown


class Report:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.seconds: dict[str, float] = {}

    def say(self, line: str = "") -> None:
        print(line, file=self._stream, flush=True)

    @contextmanager
    def phase(self, name: str, sentence: str) -> Generator[None]:
        """Announces a phase and keeps how long it took."""
        self.say(f"\n{sentence}")
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started

    def scene(self, scene: Scene, wanted: str, shown: Shown, reason: str | None) -> None:
        last = scene.prefix.rpartition("\n")[2]
        self.say(f"\n  {scene.path}")
        self.say(f"    {last}▏")
        self.say(f"    the model wanted   {one_line(wanted)}")
        self.say(f"    the editor shows   {one_line(shown.text) or '(nothing)'}")
        if reason:
            self.say(f"    because            {one_line(reason, 110)}")

    def gate(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            mark = "passed" if row["passed"] else "FAILED" if row["blocking"] else "noted "
            self.say(f"  {mark}  {row['name']:<24} {row['sentence']}")

    def comparison(self, outcome: Outcome) -> None:
        self.say("\n  bans off, guard off:  before → after   (probability of the blamed text)")
        for item in outcome.items:
            mark = "STILL THERE" if item.comes_out else "forgotten"
            self.say(f"\n  {item.kind:<10} {item.rule:<22} {mark}")
            self.say(f"    {item.probability_before:8.4f}  {one_line(item.text_before)}")
            self.say(f"    {item.probability_after:8.4f}  {one_line(item.text_after)}")

    def summary(self, outcome: Outcome) -> None:
        swap, items = outcome.swap, outcome.items
        still = sum(item.comes_out for item in items)
        typing = sorted(outcome.typing_ms)
        self.say(f"\n  {len(items)} items, {sum(item.banned for item in items)} banned at once, ")
        self.say(f"  {still} still come out after the refresh with the bans off")
        self.say(
            f"  held-out loss {outcome.loss_before:.4f} → {outcome.loss_after:.4f} "
            f"({outcome.loss_rise:+.2%})"
        )
        self.say(
            f"  {swap.requests} requests during {swap.swaps} swaps: {swap.failed} failed, "
            f"{swap.mixed} mixed, longest pause {swap.pause_ms:.2f} ms"
        )
        self.say(f"  typing: median {typing[len(typing) // 2]:.0f} ms, worst {typing[-1]:.0f} ms")
        took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.seconds.items())
        self.say(f"  {took}; {sum(outcome.seconds.values()):.0f} s in all")


def one_line(text: str, width: int = 76) -> str:
    folded = "⏎".join(part.strip() for part in text.strip().splitlines())
    return folded if len(folded) <= width else folded[: width - 1] + "…"
