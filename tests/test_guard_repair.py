"""Repairs: within their time, each way on a new one, sound, and with a sentence that says why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_model import FILES

from server.completer import OtherWays
from server.engine.config import EngineConfig
from server.engine.local import LocalEngine, open_engine
from server.engine.protocol import Ask
from server.guard.config import GuardConfig
from server.guard.finding import Case, Finding
from server.guard.guard import Guard
from server.guard.real_names import says_real_names
from server.guard.repair import Limits, repair
from server.guard.sound import is_sound
from server.turns import Turn

PREFIX, SAID, SUFFIX = FILES["load"]


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[LocalEngine]:
    engine = open_engine(EngineConfig(model=str(tiny_model), device="cpu", threads=1))
    yield engine
    engine.close()


def ways(engine: LocalEngine, decoding: ThreadPoolExecutor) -> tuple[str, OtherWays]:
    ask = Ask(PREFIX, SUFFIX)
    [completion] = engine.complete(ask)
    return completion.text, OtherWays(engine, decoding, ask, completion, Turn(60_000))


def test_every_way_on_from_the_same_place_is_a_new_one(engine: LocalEngine) -> None:
    with ThreadPoolExecutor(1) as decoding:
        text, again = ways(engine, decoding)
        at = text.index("pickle")
        made: list[str | None] = [text]
        for _ in range(5):
            made.append(again(made[-1] or "", at, time.monotonic() + 60))

    assert None not in made
    assert len(set(made)) == 6
    assert all(one is not None and one.startswith("return") for one in made)


def test_a_decode_is_ended_at_the_deadline_of_the_repair(engine: LocalEngine) -> None:
    with ThreadPoolExecutor(1) as decoding:
        text, again = ways(engine, decoding)
        decoding.submit(time.sleep, 1.0)  # another request's decode is before ours
        began = time.monotonic()

        other = again(text, text.index("pickle"), began + 0.05)

        assert other is None
        assert time.monotonic() - began < 0.8


def finding(text: str, bad: str) -> list[Finding]:
    at = text.find(bad)
    return [Finding("insecure", "r", None, at, at + len(bad), "m")] if at >= 0 else []


def test_a_way_on_that_breaks_the_syntax_is_not_taken() -> None:
    answers = iter(["x = (((", "x = good()"])

    done = repair(
        "x = bad()",
        finding("x = bad()", "bad"),
        must_go=lambda one: True,
        check=lambda text: finding(text, "bad"),
        is_sound=lambda text: text.count("(") == text.count(")"),
        again=lambda text, offset, deadline: next(answers),
        limits=Limits(3, 1000),
    )

    assert done is not None and (done.text, done.step) == ("x = good()", "decoded")


def test_no_more_ways_are_asked_for_than_are_allowed() -> None:
    asked: list[str] = []

    def again(text: str, offset: int, deadline: float) -> str:
        asked.append(text)
        return f"x = bad({len(asked)}"

    done = repair(
        "x = bad()",
        finding("x = bad()", "bad"),
        must_go=lambda one: True,
        check=lambda text: finding(text, "bad"),
        is_sound=lambda text: False,
        again=again,
        limits=Limits(3, 1000),
    )

    assert (done, len(asked)) == (None, 3)


def test_the_time_of_a_repair_is_one_for_all_its_steps() -> None:
    def again(text: str, offset: int, deadline: float) -> str:
        time.sleep(0.03)
        return text + "x"

    began = time.monotonic()
    repair(
        "bad",
        finding("bad", "bad"),
        must_go=lambda one: True,
        check=lambda text: finding(text, "bad"),
        is_sound=lambda text: True,
        again=again,
        limits=Limits(1000, 100),
    )

    assert time.monotonic() - began < 1.0


def test_a_guard_whose_python_does_not_start_still_checks_and_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    guard = Guard(GuardConfig(python=str(broken), cache=tmp_path / "cache", ruff_ms=5000.0))
    guard.wait(20)

    review = guard.review(Case("import hashlib\nx = ", "hashlib.md5(y)", "\n", "python"))
    said = guard.status()["deprecated"]
    guard.close()

    assert [one.rule for one in review.findings] == ["S324"]
    assert said != "ok"


@pytest.mark.parametrize(
    ("typed", "said", "expected"),
    [
        ("hashlib.", "sha256(x)", True),
        ("hashlib.s", "ha256(x)", True),
        ("hashlib.", "sha257(x)", False),
        ("hashlib.m", "anager(", False),
        ("hashlib.m", "(x)", False),  # the user's word is not gone on with
        ("hashlib.sha256", "(x)", True),
        ("hashlib.", " nothing", False),
        ("hashlib.", "sha", True),  # cut off
        ("hashlib.", "shb", False),
        ("hashlib.", "__name__", True),
        ("x.hashlib.", "sha257(x)", True),  # somebody's own
        ("numpy.", "nonsense(x)", True),  # only what the standard library's stubs tell
        ("h.", "sha257(x)", False),
        ("z = 1\n", "import pickle\npickle.copy(z)", False),
        ("", "json.loads(z)", False),  # nobody imports it
        ("from json import loads\n", "json.loads(z)", False),
        ("json = mine\n", "json.loads(z)", True),
        ("shelve.", "nonsense(z)", False),  # its import is too far above
        ("shelve.", "open(z)", True),
    ],
)
def test_a_new_decode_says_only_names_that_exist(typed: str, said: str, expected: bool) -> None:
    before = "import hashlib, numpy\nimport hashlib as h\n\ny = hashlib.nowhere\n" + typed

    assert says_real_names(before, said) is expected


@pytest.mark.parametrize(
    ("typed", "said", "other", "expected"),
    [
        ("call([cmd], shell=", "True)", "False)", True),
        ("cmd = [x]\ncall(cmd, env=f(x), shell=", "True)", "False)", True),
        ("call(cmd, [1], shell=", "True)", "False)", False),
        ("check(verify=", "True)", "False)", True),
        ("call([cmd], shell=", "True)", "float)", False),
        ("call(cmd, shell=T", "rue)", ".x)", False),
        ("call(cmd, shell=", "True)", "True)", True),
        ("x = pickle.", "load(f)", "dumps(f)", False),
        ("x = pickle.", "load(f)", "loads(pickle.dumps(f))", True),
        ("x = ", "load(f)", "read_all(f)", False),
        ("x = ", "load(f)", "open(f)", True),
        ("call(\n    ", "os.system(x)", "# none", False),
        ("", "# os.system(x)", "# none", True),
        ("", "from distutils.version import V", "from io import BytesIO", False),
        ("", "from distutils.version import V", "from distutils.util import x", True),
        ("md5_digest = hashlib.", "md5(x)", "sha256(x)", False),
        ("digest = hashlib.", "md5(x)", "sha256(x)", True),
        ("x = ", "load(f)", "= call(f)", False),
        ("x = tempfile.m", "ktemp()", "kdtemp()", False),
        ("x = tempfile.", "mktemp()", "mkstemp(", False),
        ("x = tempfile.", "mktemp()", "mkstemp()[1]", True),
        ("x = tempfile.", "mktemp()", "mkdtemp() + '/a'", True),
        ("x = ", "load(f)", "gh.load(f)", False),  # nobody says what gh is
        ("x = ", "load(f)", "[gh.load(f) for gh in os.environ]", True),
    ],
)
def test_another_way_on_is_sound_only_if_it_makes_sense_there(
    typed: str, said: str, other: str, expected: bool
) -> None:
    prefix = f"import hashlib, pickle, os, tempfile\nfrom subprocess import call\n\n{typed}"

    assert is_sound(Case(prefix, said, "\n", "python"), other) is expected


def test_what_is_kept_of_a_text_ends_with_a_whole_statement() -> None:
    text = "total = 1\nb = open_it(\n    c,\n    bad(),\n)\n"

    done = repair(
        text,
        finding(text, "bad"),
        must_go=lambda one: True,
        check=lambda text: finding(text, "bad"),
        is_sound=lambda text: True,
        again=None,
        limits=Limits(3, 1000),
    )

    assert done is not None and (done.text, done.step) == ("total = 1", "cut")
