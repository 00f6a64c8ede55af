"""What the guard does about findings: the policy, the order of repairs, and its failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from tiny_model import FILES

from server.guard.config import GuardConfig, Policy
from server.guard.errors import BadGuardConfig, DetectorFailed
from server.guard.finding import Case, Finding
from server.guard.guard import Guard
from server.guard.repair import spliced
from store.records import Kind

SECRET = "sk_" + "live_ErzycLqpWKT33te1pMVxP3xJ"


def make(**settings: object) -> Guard:
    settings = {"index_packages": False, "ruff_ms": 5000.0, **settings}
    guard = Guard(GuardConfig(**settings))  # pyright: ignore[reportArgumentType]
    assert guard.wait(20)
    return guard


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    guard = make()
    yield guard
    guard.close()


def case(name: str) -> Case:
    prefix, target, suffix = FILES[name]
    return Case(prefix, target, suffix, "python")


@pytest.mark.parametrize("name", ["mean", "read", "point"])
def test_a_clean_suggestion_passes_unchanged(guard: Guard, name: str) -> None:
    review = guard.review(case(name))

    assert (review.text, review.action, review.findings) == (FILES[name][1], None, ())


@pytest.mark.parametrize(
    ("name", "instead"),
    [("aws", "YOUR_ACCESS_KEY"), ("github", "YOUR_TOKEN"), ("password", "YOUR_PASSWORD")],
)
def test_inside_quotes_that_the_user_opened_a_name_stands_for_a_secret(
    guard: Guard, name: str, instead: str
) -> None:
    review = guard.review(case(name))

    assert (review.text, review.action) == (instead, "patched")
    assert review.reason is not None and FILES[name][1] not in review.reason


@pytest.mark.parametrize(
    ("prefix", "said"),
    [("# the key is ", SECRET), ('KEY = "sk_', SECRET.removeprefix("sk_"))],
)
def test_a_secret_without_a_repair_is_blocked(guard: Guard, prefix: str, said: str) -> None:
    review = guard.review(Case(prefix, said, "\n", "python"))

    assert (review.text, review.action) == ("", "blocked")
    assert review.reason is not None and said not in review.reason


def test_a_replacement_is_taken_first(guard: Guard) -> None:
    def again(text: str, offset: int, deadline: float) -> str | None:
        raise AssertionError("the engine was asked although a replacement is known")

    review = guard.review(case("checksum"), again)

    assert (review.text, review.action) == ("hashlib.sha256(data).hexdigest()", "patched")


def test_every_replacement_of_a_suggestion_is_made(guard: Guard) -> None:
    assert guard.review(case("thread")).text == "threading.current_thread().name"


def test_the_engine_is_asked_for_another_way_from_the_span_on(guard: Guard) -> None:
    asked: list[tuple[str, int]] = []

    def again(text: str, offset: int, deadline: float) -> str | None:
        asked.append((text, offset))
        return "return json.load(file)"

    prefix, said, suffix = FILES["load"]

    review = guard.review(Case(f"import json\n{prefix}", said, suffix, "python"), again)

    assert asked == [("return pickle.load(file)", len("return "))]
    assert (review.text, review.action) == ("return json.load(file)", "patched")
    assert [one.rule for one in review.findings] == ["S301"]


@pytest.mark.parametrize(
    "instead",
    [
        "return json.load(file)",  # nobody imports it
        "return pickle.dump(file)",
        "return unpickled(file)",
        "return pickle. noqa(file)",
        "# nothing to load",
    ],
)
def test_a_new_decode_that_is_clean_by_being_senseless_is_not_taken(
    guard: Guard, instead: str
) -> None:
    review = guard.review(case("load"), lambda text, offset, deadline: instead)

    assert (review.text, review.action) == (FILES["load"][1], "warned")


def test_a_new_decode_is_checked_again_and_the_tries_are_bounded(guard: Guard) -> None:
    answers = [f"return pickle.load(file{n})" for n in range(10)]

    review = guard.review(case("load"), lambda text, offset, deadline: answers.pop(0))

    assert (review.text, review.action) == ("return pickle.load(file)", "warned")
    assert len(answers) == 7


def test_a_secret_is_cut_off_when_whole_lines_stand_before_it(guard: Guard) -> None:
    suggestion = f'client = Client()\nclient.login(key="{SECRET}"'

    review = guard.review(Case("", suggestion, "", "ruby"))

    assert (review.text, review.action) == ("client = Client()", "patched")


def test_the_lines_before_what_cannot_be_repaired_are_kept(guard: Guard) -> None:
    suggestion = "hashlib.md5(path)\nprint(\n    x,\n    pickle.load(path),\n)\n"

    review = guard.review(Case("import hashlib, pickle\nx = ", suggestion, "", "python"))

    assert (review.text, review.action) == ("hashlib.sha256(path)", "patched")


def test_what_is_only_warned_about_is_marked_in_the_text_that_is_shown(guard: Guard) -> None:
    suggestion = f'x = pickle.loads(read(key="{SECRET}"))\n'

    review = guard.review(Case("import os, pickle\n", suggestion, "", "python"))

    assert review.text == 'x = pickle.loads(read(key=os.environ["KEY"]))\n'
    assert review.action == "patched"
    assert [review.text[m.start : m.end] for m in review.marks] == ["pickle.loads"]


@pytest.mark.parametrize(
    ("policy", "expected"), [("block", "blocked"), ("warn", "warned"), ("off", None)]
)
def test_each_kind_has_its_own_policy(policy: Policy, expected: str | None) -> None:
    actions: dict[Kind, Policy] = {"insecure": policy}
    guard = make(actions=actions)

    assert guard.review(case("checksum")).action == expected
    assert guard.review(case("aws")).action == "patched"
    guard.close()


def test_a_disabled_rule_is_not_reported() -> None:
    guard = make(disabled_rules=frozenset({"S324"}))

    assert guard.review(case("checksum")).action is None
    guard.close()


def test_a_comment_of_the_user_allows_a_rule_on_its_line(guard: Guard) -> None:
    prefix, target, _ = FILES["checksum"]

    allowed = guard.check(Case(prefix, target, "  # unsay: allow[S324]\n", "python"))
    above = guard.check(
        Case(
            prefix.replace("    return ", "    # unsay: allow[insecure]\n    return "),
            target,
            "\n",
            "python",
        )
    )
    other = guard.check(Case(prefix, target, "  # unsay: allow[S301]\n", "python"))

    assert (allowed, above, [one.rule for one in other]) == ([], [], ["S324"])


def test_a_suggestion_cannot_allow_itself(guard: Guard) -> None:
    prefix, target, _ = FILES["checksum"]
    suggestion = target + "  # unsay: allow[S324]"

    assert len(guard.check(Case(prefix, suggestion, "\n", "python"))) == 1
    assert guard.check(Case(prefix, suggestion, "\n", "python"), is_own_text=True) == []


class _Broken:
    name = "broken"
    is_deferred = False

    def find(self, case: Case) -> Sequence[Finding]:
        raise ZeroDivisionError

    def status(self) -> str:
        return "ok"

    def close(self) -> None: ...


def test_a_detector_that_fails_blocks_under_closed_and_passes_under_open() -> None:
    for fail, expected in (("closed", ("", "blocked")), ("open", (FILES["mean"][1], None))):
        guard = make(fail=fail)
        guard._detectors += (_Broken(),)  # pyright: ignore[reportPrivateUsage]

        review = guard.review(case("mean"))

        assert (review.text, review.action) == expected
        assert guard.status()["broken"] == "the check for broken failed (ZeroDivisionError)"
        if fail == "closed":
            with pytest.raises(DetectorFailed):
                guard.check(case("mean"))
        guard.close()


def test_replacements_that_overlap_are_not_mixed() -> None:
    def at(start: int, end: int, text: str) -> Finding:
        return Finding("insecure", "r", None, start, end, "m", text)

    assert spliced("abcdef", [at(1, 3, "X"), at(2, 5, "Y")]) == "abYf"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"actions": {"secret": "explode"}}, "explode"),
        ({"actions": {"nonsense": "warn"}}, "nonsense"),
        ({"budget_ms": 0}, "budget_ms"),
        ({"fail": "maybe"}, "maybe"),
        ({"redecode_tries": -1}, "redecode_tries"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, object], word: str) -> None:
    with pytest.raises(BadGuardConfig, match=word):
        GuardConfig(**settings)  # pyright: ignore[reportArgumentType]
