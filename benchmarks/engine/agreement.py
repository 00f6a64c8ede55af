"""Whether the served forward says what float32 says: greedy lines of held-out code."""

from __future__ import annotations

from benchmarks.embedded_model.humaneval import humaneval_cuts
from benchmarks.engine.models import NAMES, Size, folder
from benchmarks.engine.rows import Row
from server.engine.decoder import decoder_of
from server.engine.decoder_sequence import DecoderSequence
from server.engine.drafts import Lookahead, NgramDrafts
from server.engine.load import LoadedModel, load_model
from server.engine.prompt import prompt_ids
from server.engine.sequence import ModuleSequence, Sequence

LINES = 500
LINE_TOKENS = 32
PREFIX_CHARS, SUFFIX_CHARS = 1_200, 500
MARK = 0.98


def agreement_rows(size: Size) -> list[Row]:
    """The share of lines that are the same text; random weights have no lines to complete."""
    if size == "M":
        return []
    loaded = load_model(folder(size), "cpu")
    decoder = decoder_of(loaded.model)
    assert decoder is not None
    ends = {
        i for i, text in enumerate(loaded.codec.texts(range(len(loaded.tokenizer)))) if "\n" in text
    }
    same = 0
    for cut in humaneval_cuts(LINES):
        prefix, suffix = cut.prefix[-PREFIX_CHARS:], cut.suffix[:SUFFIX_CHARS]
        ids = prompt_ids(loaded, prefix, suffix, LINE_TOKENS)
        ours = _line(loaded, DecoderSequence(decoder), ids, ends)
        same += ours == _line(loaded, ModuleSequence(loaded.model), ids, ends)
    measure = f"greedy lines equal to float32's, of {LINES}"
    return [Row(NAMES[size], measure, "transformers, float32", value=same / LINES, mark=MARK)]


def _line(loaded: LoadedModel, sequence: Sequence, ids: list[int], ends: set[int]) -> str:
    """As the engine decodes, drafts included."""
    token = int(sequence.read(ids).argmax())
    ahead = Lookahead(sequence, NgramDrafts(ids))
    said: list[int] = []
    while token not in loaded.stops and len(said) < LINE_TOKENS:
        said.append(token)
        if token in ends:
            break
        token = int(ahead.after(token).argmax())
    return loaded.codec.decode(said)
