"""HumanEval's infilling tasks with the model's line in the hole, run against their tests.

What runs is what a model wrote: in a process of its own, isolated from this one's packages and
files, with little time and memory and no network. That stops accidents, not attackers.
"""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from benchmarks.embedded_model.layout import SEED
from benchmarks.guard.rows import json_lines
from benchmarks.unlearning.generate import greedy
from benchmarks.unlearning.labelled_sets import data
from server.engine.load import LoadedModel
from unlearn.prompts import prompt_tokens

SECONDS = 5.0
MEMORY_BYTES = 512 * 2**20
LINE_TOKENS = 48
WORTH_MEASURING = 0.05
"""Of a model that passes less often, a change of the rate says nothing."""

# Limits first, then what was written; with no way to open a socket even where the system gives the
# process no network namespace of its own.
START = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.addaudithook(lambda event, _: sys.exit(9) if event.startswith(("socket.", "subprocess.",
    "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "shutil."))
    else None)
exec(compile(sys.stdin.read(), "answer", "exec"), {{"__name__": "answer"}})
"""


@dataclass(frozen=True)
class Executed:
    """How often what the model wrote passes the tests."""

    tasks: int
    rate: float

    @property
    def is_worth_measuring(self) -> bool:
        """Whether the base can do it often enough for a change to show."""
        return self.rate >= WORTH_MEASURING

    @property
    def sentence(self) -> str:
        """For a person, where the row is left out."""
        return (
            f"HumanEval infilling, executed: left out, as the base passes {self.rate:.1%} of "
            f"{self.tasks} tasks, which is less than {WORTH_MEASURING:.0%}"
        )


def infilling_tasks(count: int) -> list[dict[str, Any]]:
    """A seeded sample of the single-line tasks."""
    path = data("humaneval_infilling", "HumanEval-SingleLineInfilling.jsonl.gz")
    tasks = list(json_lines(path))
    return random.Random(SEED).sample(tasks, min(count, len(tasks)))


def executed(model: nn.Module, loaded: LoadedModel, tasks: Sequence[dict[str, Any]]) -> Executed:
    """Fill in every task's line greedily and run its tests."""
    form = "left_to_right" if loaded.fim is None else "fim"
    prompts = [prompt_tokens(loaded, t["prompt"], "\n" + t["suffix"], form, 512) for t in tasks]
    said = greedy(model, prompts, [LINE_TOKENS] * len(tasks), loaded.stops)
    lines = [loaded.codec.decode(ids).split("\n", 1)[0] for ids in said]
    programs = [_program(task, line) for task, line in zip(tasks, lines, strict=True)]
    with ThreadPoolExecutor(2) as pool:
        return Executed(len(tasks), statistics.fmean(pool.map(passes, programs)))


def passes(program: str) -> bool:
    """Whether the program ends by itself and without an error, in its sandbox."""
    start = START.format(memory=MEMORY_BYTES, seconds=int(SECONDS))
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [*_without_network(), sys.executable, "-I", "-c", start],
                input=program.encode(),
                cwd=folder,
                env={},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS + 2,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def _program(task: dict[str, Any], line: str) -> str:
    whole = f"{task['prompt']}{line}\n{task['suffix']}\n{task['test']}\n"
    return f"{whole}check({task['entry_point']})\n"


@cache
def _without_network() -> tuple[str, ...]:
    """What to put before a command so that it has no network, where the system allows that."""
    found = shutil.which("unshare")
    if found is None:
        return ()
    command = (found, "--user", "--map-root-user", "--net")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ()
