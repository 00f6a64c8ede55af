"""Asks a running server for completions while its generation is changed again and again."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

MAX_TOKENS = 24


@dataclass(frozen=True)
class Target:
    """The server and the generations it is swapped between, in turn.

    Two stay in memory: with three, every swap reads, checks and merges one from disk.
    """

    url: str
    token: str
    generations: tuple[str, ...]
    max_tokens: int = MAX_TOKENS

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Outcome:
    """What came of it."""

    expected: Mapping[tuple[str, str], str]
    """The text of each generation for each prompt, asked for while nothing moved."""
    telling: tuple[int, ...] = ()
    """The prompts to which every generation has an answer of its own: a mix can be seen."""
    completed: int = 0
    failed: int = 0
    """Answers other than 200."""
    mixed: int = 0
    """Texts that are not those of the generation the answer names."""
    by_generation: dict[str, int] = field(default_factory=dict[str, int])
    quiet_ms: list[float] = field(default_factory=list[float])
    loaded_ms: list[float] = field(default_factory=list[float])
    prepare_ms: list[float] = field(default_factory=list[float])
    pause_ms: list[float] = field(default_factory=list[float])


async def swap_under_load(
    target: Target, prompts: Sequence[str], *, completions: int, swaps: int, clients: int = 4
) -> Outcome:
    """`completions` answers from `clients` at once, with `swaps` changes spread over them."""
    async with aiohttp.ClientSession(headers=target.headers) as http:
        outcome = await _expect(http, target, prompts)
        prompts = [prompts[number] for number in outcome.telling]
        numbers = itertools.count()
        every = max(1, completions // (swaps + 1))

        async def client(name: int) -> None:
            while (number := next(numbers)) < completions:
                await _ask(http, target, prompts, number, f"client {name}", outcome)

        async def swapper() -> None:
            for swap in range(swaps):
                while outcome.completed + outcome.failed < (swap + 1) * every:
                    await asyncio.sleep(0.001)
                await _promote(
                    http, target, target.generations[(swap + 1) % len(target.generations)], outcome
                )

        await asyncio.gather(swapper(), *(client(name) for name in range(clients)))
        return outcome


async def _expect(http: aiohttp.ClientSession, target: Target, prompts: Sequence[str]) -> Outcome:
    """Ask each generation in quiet; ends with the first one serving."""
    expected: dict[tuple[str, str], str] = {}
    quiet_ms: list[float] = []
    for generation in reversed(target.generations):
        await _promote(http, target, generation, Outcome({}))
        for prompt in prompts:
            begun = time.perf_counter()
            body = await _complete(http, target, prompt, "quiet")
            quiet_ms.append((time.perf_counter() - begun) * 1000)
            expected[generation, prompt] = body["choices"][0]["text"]
    texts = [{expected[name, prompt] for name in target.generations} for prompt in prompts]
    telling = tuple(i for i, said in enumerate(texts) if len(said) == len(target.generations))
    if len(telling) < 2:
        raise ValueError("two prompts at least must tell the generations apart: give others")
    return Outcome(expected, telling, quiet_ms=quiet_ms)


async def _ask(
    http: aiohttp.ClientSession,
    target: Target,
    prompts: Sequence[str],
    number: int,
    document: str,
    outcome: Outcome,
) -> None:
    begun = time.perf_counter()
    prompt = prompts[number % len(prompts)]
    try:
        body = await _complete(http, target, prompt, document)
    except aiohttp.ClientError:
        outcome.failed += 1
        return
    outcome.loaded_ms.append((time.perf_counter() - begun) * 1000)
    choice = body["choices"][0]
    generation: str = choice["unsay"]["generation"]
    outcome.completed += 1
    outcome.by_generation[generation] = outcome.by_generation.get(generation, 0) + 1
    if choice["text"] != outcome.expected.get((generation, prompt)):
        outcome.mixed += 1


async def _complete(
    http: aiohttp.ClientSession, target: Target, prompt: str, document: str
) -> dict[str, Any]:
    # without bans, so that a finding on the way does not change what is said later
    own = {"document": document, "bans": False, "stop_rules": False, "language": "python"}
    ask = {"prompt": prompt, "max_tokens": target.max_tokens, "unsay": own}
    async with http.post(f"{target.url}/v1/completions", json=ask) as answer:
        answer.raise_for_status()
        return await answer.json()


async def _promote(
    http: aiohttp.ClientSession, target: Target, generation: str, outcome: Outcome
) -> None:
    async with http.get(f"{target.url}/v1/adapters") as answer:
        serving = (await answer.json())["serving"]
    if serving == generation:
        return
    ask = {"generation": generation, "expected": serving}
    async with http.post(f"{target.url}/v1/adapters/promote", json=ask) as answer:
        answer.raise_for_status()
        report = await answer.json()
    outcome.prepare_ms.append(report["prepare_ms"])
    outcome.pause_ms.append(report["pause_ms"])
