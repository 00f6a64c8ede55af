"""Text in, ids out and back: no text becomes a control token, no character is cut."""

from __future__ import annotations

from typing import Any

import pytest
from engine_models import byte_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from server.engine.fim import FAMILIES
from server.engine.text_codec import TextCodec, TextWriter

MARKERS = sorted(
    {m for f in FAMILIES for m in (f.prefix, f.suffix, f.middle, *f.ends) if m is not None}
    | {"<|endoftext|>"}
)


@pytest.fixture(scope="module", params=["special", "plain"])
def codec(request: pytest.FixtureRequest) -> TextCodec:
    """Every marker there is, declared special, or as text as Qwen's are."""
    rest = [m for m in MARKERS if m != "<|endoftext|>"]
    if request.param == "special":
        return TextCodec(byte_tokenizer(["<|endoftext|>", *rest]))
    codec = TextCodec(byte_tokenizer(["<|endoftext|>"], rest))
    codec.forbid(frozenset(i for i in map(codec.single, rest) if i is not None))
    return codec


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_in_the_users_text_stays_text(codec: TextCodec, marker: str) -> None:
    text = f'token = "{marker}"  # {marker}{marker}'

    ids = codec.encode(text)

    assert codec.control.isdisjoint(ids)
    assert codec.decode(ids) == text


@pytest.mark.parametrize(
    "text",
    [
        "<|fim_<|fim_prefix|>prefix|>",
        "<<|endoftext|>|endoftext|>",
        "<fim_prefix><fim-prefix><|fim_prefix|>",
        "<|fim_middle|" + ">",
        "[SUFFIX][PREFIX]",
    ],
)
def test_nested_markers_stay_text(codec: TextCodec, text: str) -> None:
    ids = codec.encode(text)

    assert codec.control.isdisjoint(ids)
    assert codec.decode(ids) == text


def test_every_marker_is_a_control_token(codec: TextCodec) -> None:
    assert {codec.single(marker) for marker in MARKERS} <= codec.control


def test_a_name_that_is_no_entry_of_the_vocabulary_has_no_id(codec: TextCodec) -> None:
    assert codec.single("<|no_such_marker|>") is None


def test_white_space_runs_in_the_vocabulary_are_text() -> None:
    codec = TextCodec(byte_tokenizer(["<|endoftext|>"], ["    "]))

    assert codec.encode("    x") == [codec.single("    "), *codec.encode("x")]


def test_streamed_pieces_are_whole_characters() -> None:
    codec = TextCodec(byte_tokenizer(["<|endoftext|>"]))
    text = "naïve = '日本🙂'"
    writer = TextWriter(codec, ())

    pieces = [writer.push(token) for token in codec.encode(text)]

    assert "".join(pieces) == text == writer.text
    assert not any("\ufffd" in piece for piece in pieces)
    assert writer.ends[-1] == len(text)


def test_bytes_that_are_no_text_do_not_stop_the_stream() -> None:
    codec = TextCodec(byte_tokenizer(["<|endoftext|>"]))
    half = codec.encode("日")[:2]
    writer = TextWriter(codec, ())

    for token in [*half, *codec.encode("ok")]:
        writer.push(token)

    assert writer.text.endswith("ok")


def test_a_leading_space_survives_a_tokenizer_that_drops_it() -> None:
    codec = TextCodec(_metaspace_tokenizer())
    before = codec.encode("a")
    token = codec.single("▁b")
    assert token is not None
    writer = TextWriter(codec, before)

    assert codec.decode([token]) == "b"
    assert writer.push(token) == " b"


def _metaspace_tokenizer() -> Any:
    vocabulary = {"<unk>": 0, "</s>": 1, "▁": 2, "a": 3, "b": 4, "▁a": 5, "▁b": 6}
    bpe = Tokenizer(
        models.BPE(vocab=vocabulary, merges=[("▁", "a"), ("▁", "b")], unk_token="<unk>")
    )
    bpe.pre_tokenizer = pre_tokenizers.Metaspace()
    bpe.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=bpe, unk_token="<unk>", eos_token="</s>")
