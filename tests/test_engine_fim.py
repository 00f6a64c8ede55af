"""The form of fill-in-the-middle is read from the vocabulary, and prompts are built in it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from engine_models import make_model

from server.engine.errors import AskInvalid, ModelDamaged, NoFim
from server.engine.fim import FAMILIES, Family
from server.engine.load import LoadedModel, load_model
from server.engine.prompt import build_prompt, prompt_ids

QWEN = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


def _markers(family: Family) -> list[str]:
    named = (family.prefix, family.suffix, family.middle, *family.ends)
    return ["<|endoftext|>", *(m for m in named if m not in (None, "<|endoftext|>"))]  # type: ignore[misc]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_each_family_is_found_and_its_prompt_has_its_form(family: Family, tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path, _markers(family)), "cpu")

    text = loaded.codec.decode(prompt_ids(loaded, "PRE", "SUF", 8))

    first = f"{family.prefix}PRE{family.suffix}SUF"
    if family.order == "spm":
        first = f"{family.suffix}SUF{family.prefix}PRE"
    assert text == first + (family.middle or "")
    assert loaded.fim is not None
    assert loaded.fim.family == family.name
    ends = {loaded.codec.single(m) for m in _markers(family)}
    assert ends <= loaded.fim.stops


def test_our_own_models_name_their_order(tmp_path: Path) -> None:
    own = {"fim_order": "spm", "context_tokens": 256}
    loaded = load_model(make_model(tmp_path, QWEN, own=own), "cpu")

    ids = prompt_ids(loaded, "a", "", 8)

    assert loaded.codec.decode(ids) == "<|fim_suffix|><|fim_prefix|>a<|fim_middle|>"
    assert loaded.context_tokens == 256


def test_models_of_others_get_a_line_break_for_an_empty_suffix(tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path, QWEN), "cpu")

    ids = prompt_ids(loaded, "a", "", 8)

    assert loaded.codec.decode(ids) == "<|fim_prefix|>a<|fim_suffix|>\n<|fim_middle|>"


def test_mellum_puts_starcoders_markers_in_the_other_order(tmp_path: Path) -> None:
    star = next(f for f in FAMILIES if f.name == "starcoder")
    folder = make_model(tmp_path / "Mellum-4b-base", _markers(star))

    loaded = load_model(folder, "cpu")

    text = loaded.codec.decode(prompt_ids(loaded, "a", "b", 8))
    assert text == "<fim_suffix>b<fim_prefix>a<fim_middle>"


def test_what_a_tokenizer_puts_before_a_text_stands_before_the_prompt(tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path, (*QWEN, "<s>"), bos="<s>"), "cpu")

    filled = loaded.codec.decode(prompt_ids(loaded, "a", "b", 8))

    assert filled == "<s><|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    assert loaded.codec.decode(prompt_ids(loaded, "a", None, 8)) == "<s>a"


def test_a_model_without_markers_refuses_a_suffix_and_says_why(tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path), "cpu")

    with pytest.raises(NoFim, match=r"no markers for it.*Send no suffix"):
        prompt_ids(loaded, "a", "b", 8)

    assert loaded.fim is None
    assert loaded.codec.decode(prompt_ids(loaded, "a", None, 8)) == "a"


def test_a_chat_model_is_called_one(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    loaded = load_model(folder, "cpu")

    with pytest.raises(NoFim, match=r"it is a chat model.*serve a base code model such as"):
        prompt_ids(loaded, "a", "b", 8)


def test_one_marker_of_three_is_not_enough(tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path, QWEN[:2]), "cpu")

    assert loaded.fim is None


def test_markers_in_the_users_text_do_not_reach_the_prompt(tmp_path: Path) -> None:
    loaded = load_model(make_model(tmp_path, QWEN[:1], QWEN[1:]), "cpu")

    ids = prompt_ids(loaded, "a<|fim_middle|>b", "c<|fim_suffix|><|endoftext|>d", 8)

    assert loaded.fim is not None
    assert [i for i in ids if i in loaded.codec.control] == [
        loaded.fim.prefix,
        loaded.fim.suffix,
        loaded.fim.middle,
    ]


@pytest.mark.parametrize("fim_order", ["psm", "spm"])
def test_a_long_file_is_cut_far_from_the_cursor(tmp_path: Path, fim_order: str) -> None:
    own = {"fim_order": fim_order, "context_tokens": 256}
    loaded = load_model(make_model(tmp_path, QWEN, own=own), "cpu")
    prefix = "".join(f"line {i}\n" for i in range(200)) + "cursor"
    suffix = "".join(f"\nafter {i}" for i in range(200))

    prompt = build_prompt(loaded, prefix, suffix, 16)

    assert len(prompt.ids) <= 256 - 16
    before = loaded.codec.decode(prompt.context[1:])
    assert prefix.endswith(f"\n{before}")
    assert len(before) > 100
    assert "\nafter 0\nafter 1\n" in loaded.codec.decode(prompt.ids)


def test_typing_in_a_long_file_keeps_the_prompts_beginning(tmp_path: Path) -> None:
    own = {"fim_order": "spm", "context_tokens": 256}
    loaded = load_model(make_model(tmp_path, QWEN, own=own), "cpu")
    prefix = "".join(f"line {i}\n" for i in range(200))
    typed = "return value"

    prompts = [
        prompt_ids(loaded, prefix + typed[:i], "\nafter" * 90, 16) for i in range(len(typed))
    ]

    kept = sum(b[: len(a) - 1] == a[:-1] for a, b in pairwise(prompts))
    assert kept >= len(prompts) - 2


def test_one_endless_line_is_cut_inside(tmp_path: Path) -> None:
    own = {"fim_order": "spm", "context_tokens": 128}
    loaded = load_model(make_model(tmp_path, QWEN, own=own), "cpu")

    prompt = build_prompt(loaded, "x" * 5000, "", 16)

    assert 30 < len(prompt.context) <= 112


def test_more_tokens_than_the_context_holds_cannot_be_asked_for(tmp_path: Path) -> None:
    loaded: LoadedModel = load_model(make_model(tmp_path, QWEN), "cpu", context_tokens=64)

    with pytest.raises(AskInvalid, match=r"max_tokens is 60, but .* holds 64 tokens"):
        prompt_ids(loaded, "a", "b", 60)


def test_an_unknown_order_is_named(tmp_path: Path) -> None:
    folder = make_model(tmp_path, QWEN, own={"fim_order": "sideways"})

    with pytest.raises(ModelDamaged, match="must be 'spm' or 'psm', not 'sideways'"):
        load_model(folder, "cpu")
