"""The language server's parts on their own: fates, caches, forms, settings."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.capabilities import ServerCapabilitiesBuilder

from lsp.answers import Choice, health
from lsp.config import LspConfig, with_settings
from lsp.cursor import PREFIX_CHARS, Cursor, covered_rest
from lsp.debounce import Debounce
from lsp.errors import ConfigInvalid
from lsp.features import register
from lsp.greeting import initialize_result
from lsp.items import relative_lines
from lsp.keeper import Reach
from lsp.offers import Fate, Offer, Offers
from lsp.protocol import EditorServer
from lsp.session import ServerStart, Session
from lsp.spans import Edit
from lsp.status import StatusBoard
from lsp.typed_through import TypedThrough


def choice(text: str, suggestion: str = "s1", generation: str = "base") -> Choice:
    return Choice(suggestion, text, generation, None, None, (), ())


def offers_of(text: str, anchor: int = 10) -> tuple[Offers, list[tuple[str, Fate, int]], Offer]:
    ended: list[tuple[str, Fate, int]] = []

    def end(offer: Offer, fate: Fate) -> None:
        ended.append((offer.choice.suggestion, fate, offer.accepted_chars))

    offers = Offers(end)
    offer = Offer("u", choice(text), text, anchor, "", "")
    offers.show("u", [offer])
    return offers, ended, offer


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([Edit(10, 10, "abcdef")], [("s1", "accepted", 6)]),
        ([Edit(10, 10, "abcdef\n")], [("s1", "accepted", 6)]),
        ([Edit(10, 10, "a"), Edit(11, 11, "bcdef")], [("s1", "accepted", 6)]),
        ([Edit(10 + i, 10 + i, "abcdef"[i]) for i in range(6)], [("s1", "typed_through", 6)]),
        ([Edit(10, 10, "abc"), Edit(13, 13, "x")], [("s1", "partly_accepted", 3)]),
        ([Edit(10, 10, "a"), Edit(11, 11, "x")], [("s1", "rejected", 1)]),
        ([Edit(10, 10, "x")], [("s1", "rejected", 0)]),
        ([Edit(0, 2, ""), Edit(8, 8, "abcdef")], [("s1", "accepted", 6)]),
        ([Edit(10, 10, "ab"), Edit(11, 12, ""), Edit(11, 11, "bcdef")], [("s1", "accepted", 6)]),
        ([Edit(20, 25, "elsewhere")], []),
        ([Edit(9, 9, "before")], []),
        ([Edit(8, 12, "over it")], [("s1", "rejected", 0)]),
    ],
)
def test_the_edits_tell_what_became_of_a_suggestion(
    edits: list[Edit], expected: list[tuple[str, Fate, int]]
) -> None:
    offers, ended, _ = offers_of("abcdef")

    for edit in edits:
        offers.edited("u", edit)

    assert ended == expected


def test_brackets_that_the_editor_closes_do_not_reject() -> None:
    offers, ended, offer = offers_of("(a)[b]: pass")

    offers.edited("u", Edit(10, 10, "()"))
    offers.edited("u", Edit(11, 12, "a)[b]: pass"))

    assert (ended, offer.rest) == ([("s1", "accepted", 12)], "")


def test_typing_that_an_editor_sends_in_batches_is_typing() -> None:
    offers, ended, _ = offers_of("abcdef")
    offers.batches_typing = True

    offers.edited("u", Edit(10, 10, "abc"))
    offers.edited("u", Edit(13, 13, "def"))

    assert ended == [("s1", "typed_through", 6)]


def test_a_suggestion_that_another_takes_the_place_of_is_rejected() -> None:
    offers, ended, _ = offers_of("abcdef")

    again = Offer("u", choice("abcdef"), "abcdef", 10, "", "")
    assert offers.show("u", [again]) == []
    assert offers.show("u", [Offer("u", choice("x", "s2"), "x", 10, "", "")]) != []

    assert ended == [("s1", "rejected", 0)]


def put(cache: TypedThrough, cursor: Cursor, *texts: str, generation: str = "base") -> None:
    cache.put("u", cursor, tuple(choice(text, generation=generation) for text in texts), 1)


def test_the_cache_serves_what_was_typed_as_suggested_and_nothing_else() -> None:
    cache = TypedThrough()
    put(cache, Cursor("x = ", "\ny"), "foo(1)")

    hit = cache.get("u", Cursor("x = fo", "\ny"), 1)

    assert hit is not None and (hit.typed, hit.choices[0].text) == (2, "foo(1)")
    assert cache.get("u", Cursor("x = fa", "\ny"), 1) is None
    assert cache.get("u", Cursor("y = fo", "\ny"), 1) is None
    assert cache.get("u", Cursor("x = fo", "\nz"), 1) is None
    assert cache.get("u", Cursor("x =", "\ny"), 1) is None
    assert cache.get("v", Cursor("x = fo", "\ny"), 1) is None
    assert cache.get("u", Cursor("x = fo", "\ny"), 3) is None
    assert cache.get("u", Cursor("x = foo(", ")\ny"), 1) is not None
    assert cache.get("u", Cursor("x = foo(", "]]]]]]]]]\ny"), 1) is None


def test_the_cache_forgets_when_the_generation_changes_or_it_is_cleared() -> None:
    cache, cursor = TypedThrough(), Cursor("x", "")
    put(cache, cursor, "a")
    cache.serve("base")
    assert cache.get("u", cursor, 1) is not None

    cache.serve("g000001-aaaaaaaa")
    assert cache.get("u", cursor, 1) is None

    put(cache, cursor, "b", generation="g000001-aaaaaaaa")
    cache.clear()
    assert cache.get("u", cursor, 1) is None


def test_an_empty_answer_is_known_too() -> None:
    cache = TypedThrough()
    put(cache, Cursor("x", ""))

    assert cache.get("u", Cursor("x", ""), 1) is not None
    assert cache.get("u", Cursor("xy", ""), 1) is None


@pytest.mark.parametrize(
    ("client", "gap_ms", "expected_ms"),
    [
        ("Visual Studio Code 1.139", 65, 104),
        ("Visual Studio Code 1.139", 20, 60),
        ("VSCodium", 300, 200),
        ("coc.nvim", 65, 104),
        ("Neovim 0.12", 65, 0),
        ("emacs", 65, 0),
        ("Eglot 1.9", 65, 0),
        ("IntelliJ IDEA", 65, 0),
    ],
)
def test_the_wait_follows_the_editor_and_the_typing(
    client: str, gap_ms: int, expected_ms: int
) -> None:
    debounce = Debounce(client)

    for i in range(60):
        debounce.key(i * gap_ms / 1000)

    assert debounce.wait_ms == pytest.approx(expected_ms, abs=1)


def test_a_setting_overrides_the_wait_and_time_passed_counts() -> None:
    debounce = Debounce("Visual Studio Code")
    debounce.fixed_ms = 300

    assert debounce.left_s(now_s=10.1, changed_at_s=10.0) == pytest.approx(0.2)
    assert debounce.left_s(now_s=11.0, changed_at_s=10.0) == 0.0


@pytest.mark.parametrize(
    ("text", "rest", "covered"),
    [
        ("a, b):\n    pass", ")", 1),
        ("a, b", ")", 0),
        ("f(a)", ")", 0),
        ("f(a))", ")", 1),
        ('x", y)', '")', 2),
        ("1])", "] )", 0),
        ("1])", "])  ", 2),
        ("a)", ") + b", 0),
        ("a)", "", 0),
    ],
)
def test_what_the_editor_closed_is_replaced_only_if_the_suggestion_closes_it(
    text: str, rest: str, covered: int
) -> None:
    assert covered_rest(text, rest) == covered


def test_the_sent_prefix_begins_at_the_same_place_for_many_keys() -> None:
    text = "".join(f"line {i}\n" for i in range(10_000))

    prefixes = [Cursor(text + "x" * i, "").prefix for i in range(50)]

    assert len({prefix.rstrip("x") for prefix in prefixes}) == 1
    assert len(prefixes[0]) <= PREFIX_CHARS
    assert prefixes[0].startswith("line ")


def test_further_lines_are_relative_and_end_before_one_that_stands_further_left() -> None:
    assert relative_lines("f:\n        a\n\n      b", "    ") == "f:\n    a\n\n  b"
    assert relative_lines("f:\n        a\n\nb", "    ") == "f:\n    a"


@pytest.mark.parametrize(
    "settings",
    [
        {"enable": 1},
        {"languages": "python"},
        {"exclude": [1]},
        {"debounceMs": 1.5},
        {"debounceMs": -1},
        {"maxTokens": True},
        {"maxTokens": 0},
        {"completionFallback": "perhaps"},
        {"retainedAfterSeconds": 0},
        {"unknown": 1},
        [],
    ],
)
def test_a_setting_of_the_wrong_form_is_refused(settings: object) -> None:
    with pytest.raises(ConfigInvalid, match="unsay"):
        with_settings(LspConfig(), settings)


def test_settings_are_laid_over_the_configuration() -> None:
    config = with_settings(
        LspConfig(max_tokens=9),
        {"languages": ["go"], "debounceMs": None, "eventLog": "", "retainedAfterSeconds": 3},
    )

    assert config == LspConfig(max_tokens=9, languages=("go",), retained_after_s=3.0)
    assert with_settings(config, None) is config


def session(tmp_path: Path) -> Session:
    made = Session(EditorServer("0.1.0"), tmp_path, LspConfig(), ServerStart((), {}))
    register(made)
    return made


@pytest.mark.parametrize("encodings", [None, ["utf-32", "utf-8"], ["klingon", "utf-8"]])
def test_the_early_answer_is_what_pygls_would_have_answered(
    tmp_path: Path, encodings: list[str] | None
) -> None:
    able: dict[str, Any] = {"general": {"positionEncodings": encodings}} if encodings else {}
    protocol = session(tmp_path).editor.messages
    known: Any = protocol.fm
    structured = protocol._converter.structure(able, types.ClientCapabilities)  # pyright: ignore[reportPrivateUsage]

    built = ServerCapabilitiesBuilder(
        structured,
        {*known.features, *known.builtin_features},
        known.feature_options,
        sorted(known.commands),
        types.TextDocumentSyncKind.Incremental,
        None,
        ServerCapabilitiesBuilder.choose_position_encoding(structured),
    ).build()

    written = json.dumps(
        types.InitializeResult(built, types.ServerInfo("unsay", "0.1.0")),
        default=protocol._serialize_message,  # pyright: ignore[reportPrivateUsage]
    )
    assert initialize_result({"params": {"capabilities": able}}, "0.1.0") == json.loads(written)


def test_no_handler_blocks_the_others(tmp_path: Path) -> None:
    manager: Any = session(tmp_path).editor.messages.fm
    handlers: dict[str, object] = {**manager.features, **manager.commands}

    sync = [name for name, handler in handlers.items() if not inspect.iscoroutinefunction(handler)]

    assert sync == [types.INITIALIZE]


@pytest.mark.parametrize(
    ("engine", "state", "message"),
    [
        ("awake", "ready", "Ready, generation base."),
        ("asleep", "ready", "Ready, generation base. The model sleeps; the next key wakes it."),
        ("waking", "starting", "The model is being read into memory again."),
    ],
)
def test_the_status_says_whether_the_model_sleeps(engine: str, state: str, message: str) -> None:
    sent: list[dict[str, object]] = []
    board = StatusBoard(sent.append)

    board.reached(Reach(health({"status": "ok", "generation": "base", "engine": engine})))

    assert (sent[-1]["state"], sent[-1]["message"]) == (state, message)
