"""Step `tokenizer`: a byte-level BPE for Python source, in transformers' format."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from benchmarks.embedded_model.layout import (
    CORPUS,
    END,
    FILE,
    MIDDLE,
    PAD,
    PREFIX,
    SEED,
    SPECIAL_TOKENS,
    SUFFIX,
    TOKENIZER,
    read_rows,
)

VOCABULARY = 16_384
SAMPLE_CHARS = 40_000_000
# One digit; a word with the space or underscore-free punctuation before it; a run of punctuation;
# a line break with the whole indentation after it; other white space.
PIECES = r"\p{N}|[ ]?[\p{L}_]+|[ ]?[^\s\p{L}\p{N}_]+|\n[ \t]*(?=\S)|\n+|[ \t]+(?=\S)|\s+"


def train_tokenizer(folder: Path = TOKENIZER) -> None:
    """Train on a sample of the training sources, check the round trip, and save into `folder`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=32,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample(), trainer)
    for text in ("x = 12\n\n    return é\t'日本'\r\n", *_sample(chars=300_000)):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    saved: Any = wrap(tokenizer)
    saved.save_pretrained(folder)


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The same tokenizer as transformers' class, with the names that an engine looks for."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[PREFIX, SUFFIX, MIDDLE, FILE],
        clean_up_tokenization_spaces=False,
    )


def _sample(chars: int = SAMPLE_CHARS) -> Iterator[str]:
    files = list(read_rows(CORPUS / "train.jsonl"))
    random.Random(SEED).shuffle(files)
    for file in files:
        yield file["text"]
        chars -= len(file["text"])
        if chars <= 0:
            return
