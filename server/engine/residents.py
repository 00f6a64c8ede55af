"""The generations in memory: which one serves, how that changes, and how all of them sleep."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from server.engine.adapters import LoraAdapter, read_adapter
from server.engine.config import Merge
from server.engine.errors import AdapterMismatch, EngineClosed, GenerationGone
from server.engine.generation import Generation
from server.engine.load import LoadedModel
from server.engine.memory import available_bytes, give_back
from server.engine.protocol import EngineState, SwapReport
from server.engine.weights import Available, Weights, adapted_weights, base_weights
from store.records import BASE

LOG = logging.getLogger("unsay.engine")
# Kept beside the base: the serving generation and the one to roll back to.
RESIDENT = 2


class Residents:
    """Any thread may call any method; `turn` is the lock that a running request holds."""

    def __init__(
        self, loaded: LoadedModel, merge: Merge, available: Available = available_bytes
    ) -> None:
        self._loaded = loaded
        self._merge: Merge = merge
        self._available = available
        read = partial(base_weights, loaded)
        self._base = Generation(BASE, loaded, None, read(), read)
        self._resident = {BASE: self._base}
        self._serving = self._base
        self._is_closed = False
        self.last_wake_ms: float | None = None
        self.wake_failure: str | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="unsay-waking")
        self._changing = threading.Lock()
        """Held by a swap, and to put all to sleep."""
        self._state = threading.Lock()
        """Held for a few instructions, to read or change which generations there are."""

    @property
    def serving(self) -> str:
        return self._serving.name

    @property
    def names(self) -> tuple[str, ...]:
        with self._state:
            return tuple(self._resident)

    @property
    def state(self) -> EngineState:
        """Of what the next request needs."""
        with self._state:
            states = self._base.state, self._serving.state
        if "waking" in states:
            return "waking"
        return "asleep" if "asleep" in states else "awake"

    def find(self, name: str | None) -> Generation:
        """The resident generation of that name; None: the serving one."""
        with self._state:
            self._check_open()
            if name is None:
                return self._serving
            found = self._resident.get(name)
            if found is None:
                raise GenerationGone(
                    f"generation {name!r} is not resident (these are: "
                    f"{', '.join(self._resident)}); ask without a generation, or promote it"
                )
            return found

    def wake(self, generation: Generation) -> Future[Weights]:
        """The weights of a generation; if they sleep they are being read from now on."""
        with self._state:
            self._check_open()
            is_asleep = generation.state == "asleep"
            weights = self._base.wake(self._reader)
            if generation is not self._base:
                weights = generation.wake(self._reader, weights)
        if is_asleep:
            weights.add_done_callback(partial(self._woken, generation.name, time.perf_counter()))
        return weights

    def sleep(self, turn: threading.Lock) -> bool:
        """Let all weights go and give their memory back; False where anybody needs them."""
        with _at_once(self._changing, turn) as is_idle:
            if not is_idle or not self._let_go():
                return False
        give_back()
        LOG.info("asleep")
        return True

    def swap(self, name: str, folder: Path | None) -> SwapReport:
        """Serve another generation; see protocol.Engine."""
        if (name == BASE) != (folder is None):
            raise AdapterMismatch(
                f"`{BASE}` is the model with no adapter, and every other generation has one; "
                f"{name!r} came with {folder}"
            )
        with self._changing:
            started = time.perf_counter()
            candidate = self._candidate(name, folder)
            weights = self.wake(candidate).result()
            prepared = time.perf_counter()
            with self._state:
                self._check_open()
                previous = self._serving
                self._resident.pop(name, None)
                self._resident[name] = self._serving = candidate
                for old in [n for n in self._resident if n != BASE][:-RESIDENT]:
                    del self._resident[old]
            paused = time.perf_counter()
            if previous is not candidate:
                previous.cache.clear()
        return SwapReport(
            generation=name,
            previous=previous.name,
            prepare_ms=(prepared - started) * 1000,
            pause_ms=(paused - prepared) * 1000,
            form=weights.form,
            merge_error=weights.merge_error,
        )

    def close(self, turn: threading.Lock) -> None:
        """Let the running request end, refuse all later ones and let go of what was read."""
        with self._state:
            self._is_closed = True
        with turn:
            for generation in self._resident.values():
                generation.cache.clear()
        self._reader.shutdown(wait=True)

    def _let_go(self) -> bool:
        with self._state:
            states = [generation.state for generation in self._resident.values()]
            if self._is_closed or "waking" in states or self._base.state == "asleep":
                return False
            for generation in self._resident.values():
                generation.sleep()
        self._loaded.stored.let_go()
        return True

    def _candidate(self, name: str, folder: Path | None) -> Generation:
        with self._state:
            self._check_open()
            resident = self._resident.get(name)
        if folder is None:
            return self._base
        adapter = read_adapter(folder)
        _check_name(adapter, name, resident)
        if resident is not None:
            return resident
        base = self.wake(self._base).result()

        def read_again(base: Future[Weights]) -> Weights:
            again = read_adapter(folder)
            _check_name(again, name, generation)
            return self._adapted(base.result(), again)

        weights = self._adapted(base, adapter)
        generation = Generation(name, self._loaded, adapter.digest, weights, read_again)
        return generation

    def _adapted(self, base: Weights, adapter: LoraAdapter) -> Weights:
        return adapted_weights(self._loaded, base, adapter, self._merge, self._available)

    def _woken(self, name: str, started: float, weights: Future[Weights]) -> None:
        error = weights.exception()
        self.wake_failure = None if error is None else f"generation {name} cannot be read: {error}"
        if error is None:
            self.last_wake_ms = (time.perf_counter() - started) * 1000
            LOG.info("generation %s is awake after %.0f ms", name, self.last_wake_ms)
        else:
            LOG.error("generation %s cannot be read: %s", name, type(error).__name__)

    def _check_open(self) -> None:
        if self._is_closed:
            raise EngineClosed("the engine was closed; start the server again")


@contextmanager
def _at_once(*locks: threading.Lock) -> Generator[bool]:
    """Holds `locks`; False where one of them is held by another."""
    with ExitStack() as held:
        for lock in locks:
            if not lock.acquire(blocking=False):
                yield False
                return
            held.callback(lock.release)
        yield True


def _check_name(adapter: LoraAdapter, name: str, resident: Generation | None) -> None:
    if adapter.name != name:
        raise AdapterMismatch(
            f"the adapter's own name is {adapter.name!r}, not {name!r}; give its own name"
        )
    if resident is not None and resident.digest != adapter.digest:
        raise AdapterMismatch(
            f"another adapter is served under the name {name!r}; a generation never changes: "
            "give the new one a new name"
        )
