"""Bans: the automaton against the obvious way, and what they do to completions."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from tiny_model import FILES

from server.engine.banning import bans_for, is_distinctive, token_ends
from server.engine.bans import BanAutomaton, ForbiddenStart
from server.engine.load import load_model
from server.engine.local import LocalEngine
from server.engine.protocol import Ask, Ban
from store.records import Kind

BLAMED: dict[str, tuple[Kind, str, str | None]] = {
    "aws": ("secret", FILES["aws"][1], 'os.environ["ACCESS_KEY"]'),
    "github": ("secret", FILES["github"][1], None),
    "password": ("secret", FILES["password"][1], None),
    "checksum": ("insecure", "md5", "sha256"),
    "shell": ("insecure", "shell=True", None),
    "thread": ("deprecated", "currentThread", "current_thread"),
    "load": ("insecure", "pickle.load", None),
}
INNOCENT = sorted(set(FILES) - set(BLAMED))


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> LocalEngine:
    return LocalEngine(load_model(tiny_model, "cpu"))


def _bans(engine: LocalEngine, name: str, kind: Kind | None = None) -> list[Ban]:
    prefix, target, suffix = FILES[name]
    own, blamed, replacement = BLAMED[name]
    start = target.index(blamed)
    end = start + len(blamed)
    return engine.bans_for(prefix, suffix, target, start, end, kind or own, replacement)


def test_the_automaton_forbids_what_a_search_for_each_ban_forbids() -> None:
    chance = random.Random(1)
    for _ in range(60):
        bans = [
            Ban(tuple(chance.choices(range(4), k=chance.randint(1, 5))))
            for _ in range(chance.randint(0, 12))
        ]
        said = chance.choices(range(4), k=40)
        walk = BanAutomaton(bans).follow(())

        for i in range(len(said)):
            before = said[:i]
            expected = {
                tokens[-1]
                for tokens in (list(ban.tokens) for ban in bans)
                if before[len(before) - len(tokens) + 1 :] == tokens[:-1] or len(tokens) == 1
            }
            assert set(walk.forbidden()) == expected
            walk.advance(said[i])


def test_following_a_context_is_reading_all_of_it() -> None:
    automaton = BanAutomaton([Ban((1, 2, 3)), Ban((2, 4)), Ban((7,))])

    walk = automaton.follow([9] * 1000 + [1, 2])

    assert walk.forbidden() == {3, 4, 7}


def test_a_ban_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        BanAutomaton([Ban(())])


def test_a_forbidden_start_is_forbidden_at_the_start_only() -> None:
    start = ForbiddenStart([(1,), (2, 3)])

    assert list(start.forbidden()) == [1]
    start.advance(2)
    assert list(start.forbidden()) == [3]
    start.advance(2)
    assert list(start.forbidden()) == []


@pytest.mark.parametrize("name", BLAMED)
def test_a_banned_span_is_not_said_and_the_rest_is_still_code(
    engine: LocalEngine, name: str
) -> None:
    prefix, target, suffix = FILES[name]
    blamed = BLAMED[name][1]
    engine.set_bans(_bans(engine, name))

    [banned] = engine.complete(Ask(prefix, suffix))
    [free] = engine.complete(Ask(prefix, suffix, bans=False))

    assert free.text == target
    assert blamed not in banned.text
    assert banned.text.startswith(target[: max(0, target.index(blamed) - 1)])
    if BLAMED[name][0] == "secret":
        assert _longest_shared(banned.text, blamed) <= 9


@pytest.mark.parametrize("name", BLAMED)
def test_a_ban_holds_wherever_the_cursor_stands_before_it(engine: LocalEngine, name: str) -> None:
    prefix, target, suffix = FILES[name]
    blamed = BLAMED[name][1]
    start = target.index(blamed)
    engine.set_bans(_bans(engine, name))

    for typed in {0, start // 2, start}:
        [banned] = engine.complete(Ask(prefix + target[:typed], suffix))
        assert not (target[:typed] + banned.text).startswith(target[: start + len(blamed)])


@pytest.mark.parametrize("name", ["aws", "github", "password"])
def test_a_secret_is_not_completed_for_who_begins_to_type_it(
    engine: LocalEngine, name: str
) -> None:
    prefix, target, suffix = FILES[name]
    engine.set_bans(_bans(engine, name))

    for typed in range(1, len(target) - 6):
        [banned] = engine.complete(Ask(prefix + target[:typed], suffix))
        assert not (target[:typed] + banned.text).startswith(target)


def test_all_bans_at_once_leave_innocent_completions_alone(engine: LocalEngine) -> None:
    engine.set_bans([ban for name in BLAMED for ban in _bans(engine, name)])

    for name in INNOCENT:
        prefix, target, suffix = FILES[name]
        for typed in range(0, len(target), 5):
            [banned] = engine.complete(Ask(prefix + target[:typed], suffix))
            [free] = engine.complete(Ask(prefix + target[:typed], suffix, bans=False))
            assert banned.text == free.text


def test_bans_are_replaced_as_a_whole(engine: LocalEngine) -> None:
    prefix, target, suffix = FILES["aws"]
    engine.set_bans(_bans(engine, "aws"))
    engine.set_bans([])

    assert engine.complete(Ask(prefix, suffix))[0].text == target


def test_a_completion_ends_where_everything_is_banned(engine: LocalEngine) -> None:
    prefix, target, suffix = FILES["checksum"]
    last = engine.loaded.codec.encode(target)[2]
    everything = range(engine.loaded.model.config.vocab_size)
    engine.set_bans(Ban((last, token)) for token in everything)

    [completion] = engine.complete(Ask(prefix, suffix))

    engine.set_bans([])
    assert (completion.text, completion.finish) == ("hashlib.", "stop")


def test_what_a_span_has_in_common_with_its_replacement_stays_allowed(engine: LocalEngine) -> None:
    prefix, target, _ = FILES["thread"]
    start = target.index("currentThread")
    codec = engine.loaded.codec

    bans = bans_for(
        engine.loaded, prefix, target, start, start + 13, "deprecated", "current_thread"
    )

    assert bans
    assert not any(codec.decode(ban.tokens).endswith(("current", ".curr")) for ban in bans)
    assert any(codec.decode(ban.tokens).endswith("currentThread") for ban in bans)


def test_code_is_banned_in_its_context_only(engine: LocalEngine) -> None:
    bans = _bans(engine, "checksum")

    assert all(len(ban.tokens) == 9 for ban in bans)


def test_no_ban_is_of_one_token(engine: LocalEngine) -> None:
    for kind in ("secret", "licensed", "user", "insecure"):
        for text in ("x", "return", "total", "  "):
            for prefix in ("", "a"):
                bans = bans_for(engine.loaded, prefix, text, 0, len(text), kind)
                assert all(len(ban.tokens) > 1 for ban in bans)


def test_a_span_outside_its_target_is_refused(engine: LocalEngine) -> None:
    with pytest.raises(ValueError, match="the span 2:9 is empty or outside"):
        engine.bans_for("", "", "abc", 2, 9)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("AKIAQ3", "secret", False),
        ("AKIAQ3E", "secret", True),
        ("vX9!rT", "secret", True),
        ("otter-parsnip-v", "secret", False),
        ("otter-parsnip-ve", "secret", True),
        ("base64", "user", False),
        ("return total / len(va", "licensed", False),
        ("return total / len(values)", "licensed", True),
        ("ghp_w7Kd9", "user", True),
    ],
)
def test_what_is_distinctive(text: str, kind: Kind, expected: bool) -> None:
    assert is_distinctive(text, kind) == expected


def test_where_tokens_end_in_characters(engine: LocalEngine) -> None:
    codec = engine.loaded.codec
    text = 'x = "日本"'

    ends = token_ends(codec, codec.encode(text))

    assert ends[-1] == len(text)
    assert ends == sorted(ends)


def test_ten_thousand_bans_are_not_felt(engine: LocalEngine) -> None:
    chance = random.Random(2)
    vocabulary = engine.loaded.model.config.vocab_size
    bans = [Ban(tuple(chance.choices(range(vocabulary), k=9))) for _ in range(10_000)]
    said = chance.choices(range(vocabulary), k=2000)

    started = time.thread_time()
    automaton = BanAutomaton(bans)
    built_s = time.thread_time() - started
    walk = automaton.follow(said)
    started = time.thread_time()
    for token in said:
        walk.forbidden()
        walk.advance(token)
    step_s = (time.thread_time() - started) / len(said)

    assert built_s < 5
    assert step_s < 50e-6


def _longest_shared(a: str, b: str) -> int:
    pieces = (b[i:j] for i in range(len(b)) for j in range(i, len(b) + 1))
    return max(len(piece) for piece in pieces if piece in a)
