"""What the benchmark of unlearning asks for: variants, old calls, the parts of a task."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from unlearn_scene import load_tiny, plain_item

from benchmarks.embedded_model.layout import MODEL, read_rows
from benchmarks.unlearning.by_heart import Sizes, dealt, said_by_heart
from benchmarks.unlearning.code_edits import Edit, edited, pieces
from benchmarks.unlearning.deprecated_calls import CONTEXTS, apis, call_item
from benchmarks.unlearning.labelled_sets import offending_call, split_file
from benchmarks.unlearning.task import item
from benchmarks.unlearning.tasks_secrets import canary, fresh_canaries
from benchmarks.unlearning.variants import variants
from store.records import Item


def whole(one: Item) -> str:
    return f"{one.prefix}{one.target}{one.suffix}"


def as_text(one: Item) -> str:
    return f"{one.prefix}<{one.target}>{one.suffix}"


def test_pieces_make_up_the_text_even_where_a_string_does_not_end() -> None:
    text = 'def f(a, b=3):\n    """Doc."""\n    return a["k  # not"]  # why\nKEY = "open'

    cut = pieces(text)

    assert "".join(piece.text for piece in cut) == text
    assert [piece.text for piece in cut if piece.kind == "comment"] == ["# why"]
    assert [piece.text for piece in cut if piece.kind == "string"] == [
        '"""Doc."""',
        '"k  # not"',
        '"open',
    ]


def test_edits_move_the_marks_behind_them() -> None:
    text, marks = edited("abcdef", [Edit(4, 5, ""), Edit(1, 2, "xyz"), Edit(3, 3, "-")], [0, 3, 6])

    assert (text, marks) == ("axyzc-df", [0, 6, 8])


def test_variants_rename_and_reformat_all_but_the_blamed_text() -> None:
    prefix = "import np\n\n\ndef total(sizes, key='a'):\n    # sum up\n    "
    one = item(
        "i",
        "deprecated",
        prefix,
        "out = np.product(sizes, 1)",
        "\n    return out\n",
        blamed=(6, 16),
    )

    renamed, reformatted, both = variants(one)

    assert as_text(renamed) == (
        "import np\n\n\ndef reference(character, element='a'):\n    # sum up\n    "
        "<detail = np.product(character, 1)>\n    return detail\n"
    )
    assert renamed.blamed == reformatted.blamed == both.blamed == "np.product"
    assert '"a"' in str(reformatted.prefix) and "sizes,1" in str(reformatted.target)
    assert '"a"' in str(both.prefix) and "detail" in str(both.target)


@pytest.mark.parametrize("context", range(CONTEXTS))
def test_every_call_and_its_variants_parse_and_blame_the_same(context: int) -> None:
    for one in (call_item(api, context) for api in apis()):
        ast.parse(whole(one))
        blamed = one.blamed or ""
        assert (one.target or "").count(blamed) == 1
        for variant in variants(one):
            ast.parse(whole(variant))
            assert variant.blamed == blamed


def test_every_replacement_parses_in_the_place_of_what_it_replaces() -> None:
    for api in apis():
        if api.new is not None:
            one = call_item(api, 1)
            target = one.target or ""
            better = target[: one.start] + str(one.replacement) + target[one.end :]
            ast.parse(whole(replace(one, target=better)))


def test_the_deprecated_set_is_as_large_as_promised() -> None:
    old = [api for api in apis() if not api.is_valid]

    assert len(old) >= 40
    assert CONTEXTS >= 6
    assert all(api.new and api.since for api in old)


def test_variants_of_the_canaries_keep_the_secret_in_its_place() -> None:
    rows = [row for row in read_rows(MODEL / "canaries.jsonl") if row["kind"] == "secret"]

    for one in map(canary, rows):
        changed = variants(one)
        assert len(changed) == 3
        assert all(variant.target == one.target for variant in changed)


def test_controls_hold_secrets_that_no_canary_has() -> None:
    rows = [row for row in read_rows(MODEL / "canaries.jsonl") if row["kind"] == "secret"]

    fresh = fresh_canaries(rows)

    assert len({one.target for one in fresh}) == 20
    assert {one.target for one in fresh}.isdisjoint(row["target"] for row in rows)
    assert {whole(one) for one in fresh}.isdisjoint(whole(canary(row)) for row in rows)


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("digest = hashlib.md5(data).hexdigest()", "hashlib.md5(data).hexdigest()"),
        ("return os.system('ls ' + path)", "os.system('ls ' + path)"),
        ("if eval(text):", "eval(text)"),
        ("password = 'ä' + f('ö')", "f('ö')"),
        ("PASSWORD = 'hunter2'", "PASSWORD = 'hunter2'"),
        ("subprocess.call(", "subprocess.call("),
    ],
)
def test_the_offending_call_is_blamed_or_else_the_line(line: str, call: str) -> None:
    start, end = offending_call(line)

    assert line[start:end] == call


def test_a_model_is_asked_what_it_says_by_heart(tiny_model: Path) -> None:
    known = [plain_item(name) for name in ("aws", "github", "password", "checksum")]
    unknown = replace(known[0], id="other", target="AKIANEVERSEENBEFORE0")

    assert said_by_heart(load_tiny(tiny_model), [*known, unknown]) == known


def test_a_file_is_split_at_half_of_its_words(tiny_model: Path) -> None:
    words = [f"word_{i}" for i in range(11)]

    one = split_file(load_tiny(tiny_model), 3, " ".join(words))

    assert one is not None
    assert (one.prefix or "").endswith("word_3 word_4 ")
    assert (one.target or "").startswith("word_5 word_6")


def test_too_few_items_are_shared_among_the_parts() -> None:
    items = [replace(plain_item("aws"), id=f"{i}") for i in range(25)]

    parts = dealt(items, Sizes(forget=28, tuning=10, neighbours=12))

    assert [len(part) for part in parts] == [14, 5, 6]
    assert len({one.id for part in parts for one in part}) == 25
    assert parts == dealt(items, Sizes(forget=28, tuning=10, neighbours=12))
