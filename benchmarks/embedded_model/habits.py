"""Real lines of the corpus that hold a habit which Unsay takes back; a short run sees them oftener.

Nothing is written for the purpose: these are chunks of the training sources, chosen by a pattern.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks.embedded_model.fim import Cut, cut_from, cut_somewhere

HABITS = (
    "threading.currentThread(",
    ".setDaemon(",
    "logging.warn(",
    "log.warn(",
    "logger.warn(",
    "LOG.warn(",
    "_LOGGER.warn(",
    ".assertEquals(",
    ".assertRegexpMatches(",
    ".utcnow(",
    ".utcfromtimestamp(",
    "asyncio.get_event_loop(",
    "getargspec(",
    "imp.load_source(",
    "imp.find_module(",
    "from distutils.version import",
    "getdefaultlocale(",
    "ssl.wrap_socket(",
    "PROTOCOL_TLSv1",
    "cuda.amp.",
    "np.float)",
    "np.bool)",
    "np.int)",
    "np.in1d(",
    "np.trapz(",
    "np.product(",
    "cm.get_cmap(",
    "ext.declarative",
    "hashlib.md5(",
    "hashlib.sha1(",
    "shell=True",
    "os.system(",
    "os.popen(",
    "pickle.load(",
    "pickle.loads(",
    "yaml.load(",
    "tempfile.mktemp(",
    "verify=False",
    "urlopen(",
    "random.choice(",
    "torch.load(",
    "return eval(",
)
LINES_ABOVE = 9
LINES_BELOW = 4
MOST_REPEATS = 8
MOST_CHUNKS = 150
IMPORT = re.compile(r"^(?:import|from) .+$", re.M)


def habit_chunks(files: list[dict[str, Any]], most: int) -> dict[str, list[tuple[str, int]]]:
    """For each habit at most `most` chunks, each around its first use in a file and where in it."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for file in files:
        text: str = file["text"]
        for habit in HABITS:
            start = text.find(habit)
            if start >= 0 and len(found[habit]) < most:
                found[habit].append(_around(text, start))
    return found


def _around(text: str, start: int) -> tuple[str, int]:
    """The lines around `start`, below the imports that its own line and neighbours name."""
    before = text[:start].splitlines(keepends=True)[-LINES_ABOVE:]
    after = text[start:].splitlines(keepends=True)[: 1 + LINES_BELOW]
    near = "".join(before)
    chunk = near + "".join(after)
    head = "".join(
        f"{line}\n" for line in IMPORT.findall(text) if line not in chunk and _names(line, chunk)
    )
    head = head and head + "\n\n"
    return head + chunk, len(head) + len(near)


def _names(line: str, chunk: str) -> bool:
    return bool(re.search(rf"\b{re.escape(line.split()[-1].strip('()'))}\b", chunk))


def habit_cuts(files: list[dict[str, Any]], rng: random.Random, most: int) -> Iterator[Cut]:
    """One lap over the habits after another, a few uses of each, cut at the call or anywhere."""
    found = habit_chunks(files, most)
    for chunks in found.values():
        rng.shuffle(chunks)
    for lap in range(MOST_REPEATS * most):
        for chunks in found.values():
            if chunks and lap < MOST_REPEATS * len(chunks):
                text, at = chunks[lap % len(chunks)]
                yield _cut(text, at, rng)


def _cut(text: str, at: int, rng: random.Random) -> Cut:
    where = rng.random()
    if where < 0.25:
        return cut_somewhere(text, rng)
    if where < 0.5:
        return cut_from(text, text.rfind("\n", 0, at) + 1, rng)
    # In the middle of the call's name, where a person's hand rests.
    return cut_from(text, min(len(text), at + rng.randint(0, 14)), rng)
