"""Deprecated calls in code around them: our own set, from the facts in deprecated_pairs.toml.

GitChameleon is no part of it: its problems state the right code for one version of a library and
not the deprecated call that a model might write instead, so that there is nothing to blame in them.
"""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.unlearning.task import item
from store.records import Item

PAIRS = Path(__file__).with_name("deprecated_pairs.toml")
SEED = 41

# What names of a sort are called.
SORTS = {
    "array": "values weights samples prices heights speeds scores counts delays widths",
    "other": "limits bounds marks edges pivots offsets targets knots allowed others",
    "frame": "orders visits sales people trips parcels stock claims tickets rows",
    "row": "entry extra record update line arrival change detail fields options",
    "tensor": "logits states batch queries keys gates inputs kernel basis mixture",
    "function": "callback handler convert hook action worker_fn cleaner task_fn wrapper scale",
    "text": "name title label message body key note caption stamp word",
    "bytes": "payload blob packet chunk token raw content frame_bytes digest buffer",
    "number": "limit total start width level share depth floor amount seed",
    "count": "size trials steps rounds length copies pages blocks shots tries",
    "thread": "worker watcher reader sender poller cleaner_thread timer pump helper_thread job",
    "case": "case check suite_case probe trial test",
    "module": "plugin settings_module backend driver module extension",
    "socket": "channel link peer listener connection plug",
    "file": "source handle stream config_file ini script",
    "model": "classifier estimator tree forest booster Account Invoice",
    "picture": "photo scan poster cover avatar page",
    "size": "box target_size shape area corner extent",
    "names": "hosts domains allowed_hosts sites origins mirrors",
    "session": "session store db unit scope orm_session",
    "record": "order_model profile payload_model user_model form state_model",
    "flag": "is_fast use_half is_mixed enabled on_gpu wants_scaling",
}
NOUNS = (
    "ledger beacon harbour orchard canal furnace archive kitchen glacier station meadow "
    "turbine gallery bakery parcel festival lighthouse quarry reservoir nursery workshop "
    "museum theatre foundry vineyard bridge library tunnel market airport cinema clinic"
)
VERBS = (
    "summarise prepare inspect collect describe adjust publish compare restore review "
    "assemble measure balance refine export audit merge rank trace settle"
)
# Each is a place for a call: before it on its line, and around. `LINE` is where it stands.
FRAMES = (
    '"""{Noun}: {verb} what came in."""\n\n{imports}\n\n\ndef {verb}_{noun}({params}):\n'
    '    """Used by the {noun2} report."""\n    return LINE\n',
    "{imports}\n\n\nclass {Noun}{Verb}:\n    def __init__(self, {noun2}):\n"
    "        self.{noun2} = {noun2}\n\n    def {verb2}({selfparams}):\n"
    "        self.{noun} = LINE\n        return self.{noun}\n",
    "{imports}\n\n{NOUN}_STEPS = {n}\n\n\ndef {verb}_all({noun2}s):\n    found = []\n"
    "    for {loop} in {noun2}s:\n        found.append(LINE)\n    return found\n",
    "import logging\n{imports}\n\nlog = logging.getLogger('{noun}')\n\n\n"
    "def try_{verb}({params}):\n    try:\n        {noun2} = LINE\n    except ValueError:\n"
    "        log.error('cannot {verb} the {noun}')\n        raise\n    return {noun2}\n",
    "{imports}\n\n# {verb} the {noun} once a {noun2} is there\nif __name__ == '__main__':\n"
    "    {openings}print(LINE)\n    print('done')\n",
    "{imports}\nfrom {noun} import {noun2}_hook\n\n\n@{noun2}_hook(priority={n})\n"
    "async def on_{verb}({params}):\n    yield LINE\n    await {noun2}_hook.done()\n",
    "{imports}\n\n\ndef test_{verb}_{noun}({params}):\n    expected = {n}\n\n"
    "    assert LINE is not None, '{noun2} {verb2}'\n    assert expected == {n}\n",
)
# The same for a call that is a statement by itself.
STATEMENT_FRAMES = (
    '"""{Noun}: {verb} what came in."""\n\n{imports}\n\n\ndef {verb}_{noun}({params}):\n'
    '    """Used by the {noun2} report."""\n    LINE\n',
    "{imports}\n\n\nclass {Noun}{Verb}:\n    def __init__(self, {noun2}):\n"
    "        self.{noun2} = {noun2}\n\n    def {verb2}({selfparams}):\n"
    "        LINE\n        return self.{noun2}\n",
    "{imports}\n\n{NOUN}_STEPS = {n}\n\n\ndef {verb}_all({noun2}s):\n"
    "    for {loop} in {noun2}s:\n        LINE\n    return len({noun2}s)\n",
    "import logging\n{imports}\n\nlog = logging.getLogger('{noun}')\n\n\n"
    "def try_{verb}({params}):\n    try:\n        LINE\n    except ValueError:\n"
    "        log.error('cannot {verb} the {noun}')\n        raise\n",
    "{imports}\n\n# {verb} the {noun} once a {noun2} is there\nif __name__ == '__main__':\n"
    "    {openings}LINE\n    print('done')\n",
    "{imports}\nfrom {noun} import {noun2}_hook\n\n\n@{noun2}_hook(priority={n})\n"
    "async def on_{verb}({params}):\n    LINE\n    await {noun2}_hook.done()\n",
    "{imports}\n\n\ndef test_{verb}_{noun}({params}):\n    expected = {n}\n\n"
    "    LINE\n    assert expected == {n}\n",
)
CONTEXTS = len(FRAMES)


@dataclass(frozen=True)
class Api:
    """One deprecated call with its successor, or a valid call."""

    name: str
    imports: str
    old: str
    """How it stands in code; the sorts of its names in braces."""
    blamed: str | None
    """What is deprecated in `old`; None for a valid call."""
    new: str | None
    """What stands in its place."""
    since: str | None
    """The version whose documentation deprecates it."""
    is_statement: bool

    @property
    def is_valid(self) -> bool:
        return self.blamed is None

    @property
    def sorts(self) -> list[str]:
        """The sorts of the names the call needs."""
        return list(dict.fromkeys(re.findall(r"\{(\w+)\}", self.old)))


def apis() -> list[Api]:
    """All of deprecated_pairs.toml, in its order."""
    found = tomllib.loads(PAIRS.read_text(encoding="utf-8"))
    return [
        Api(
            name=name,
            imports=row["imports"],
            old=row["old"],
            blamed=row.get("blamed"),
            new=row.get("new"),
            since=row.get("since"),
            is_statement=row.get("is_statement", False),
        )
        for name, row in found.items()
    ]


def call_item(api: Api, context: int) -> Item:
    """The call in its `context`-th place, 0 to CONTEXTS - 1; the target ends with its line."""
    chance = random.Random(f"{SEED} {api.name} {context}")
    names = {sort: chance.choice(SORTS[sort].split()) for sort in api.sorts}
    frame = (STATEMENT_FRAMES if api.is_statement else FRAMES)[context]
    before, after = _filled(frame, api, list(names.values()), chance).split("LINE")
    line_start = before.rfind("\n") + 1
    indent = len(before) - len(before[line_start:].lstrip())
    lead, rest = before[indent:], after.split("\n", 1)[0]
    call = _named(api.old, names)
    blamed = _named(api.blamed or api.old, names)
    start = len(lead) + call.index(blamed)
    return item(
        f"deprecated-{api.name}-{context}",
        "deprecated",
        before[:indent],
        lead + call + rest,
        after[len(rest) :],
        blamed=(start, start + len(blamed)),
        replacement=None if api.new is None else _named(api.new, names),
        rule=api.name,
    )


def _named(code: str, names: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], code)


def _filled(frame: str, api: Api, names: list[str], chance: random.Random) -> str:
    noun, noun2 = chance.sample(NOUNS.split(), 2)
    verb, verb2 = chance.sample(VERBS.split(), 2)
    words = {
        "imports": api.imports,
        "params": ", ".join(names),
        "selfparams": ", ".join(["self", *names]),
        "loop": ", ".join(names) or "_",
        "openings": "".join(f"{name} = open_{noun2}('{name}')\n    " for name in names),
        "noun": noun,
        "noun2": noun2,
        "Noun": noun.capitalize(),
        "NOUN": noun.upper(),
        "verb": verb,
        "verb2": verb2,
        "Verb": verb.capitalize(),
        "n": str(chance.randint(11, 98)),
    }
    return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], frame)
