"""How well held-out code is predicted and its lines are filled in, beside two baselines."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.embedded_model.complete import Completer
from benchmarks.embedded_model.figures import Row, mean
from benchmarks.embedded_model.fim import Cut
from benchmarks.embedded_model.layout import END
from benchmarks.embedded_model.lines import FORMS, Hole, edit_similarity, parses, prompt
from benchmarks.embedded_model.nearest_line import repeated_line
from benchmarks.embedded_model.ngram import ORDER, NGrams

OURS, COUNTED, REPEATED = "embedded model", "n-grams", "most similar earlier line"
HELD_OUT, HUMANEVAL = "held-out packages", "HumanEval, one line"
LOSS, PER_CHARACTER = "nats per token", "bits per character"
LOSS_TOKENS = 512
LINE_TOKENS = 32
# Enough of the text before the cursor for the longest sequence that is counted.
NEAR_CHARS = 200
Fills = dict[tuple[str, str | None], list[str]]


def counted(completer: Completer, files: list[dict[str, Any]]) -> NGrams:
    """The n-gram model of `files`, over the model's own tokens."""
    texts = [file["text"] for file in files]
    end = completer.ids([END])
    encoded = completer.tokenizer(texts, split_special_tokens=True, add_special_tokens=False)
    tokens = np.fromiter((i for ids in encoded.input_ids for i in [*end, *ids]), np.int64)
    return NGrams(tokens, len(completer.tokenizer))


@torch.inference_mode()
def loss_rows(completer: Completer, ngrams: NGrams, files: list[dict[str, Any]]) -> list[Row]:
    """Of the first LOSS_TOKENS of each file, the text's end in front."""
    model, table, tokens, chars = 0.0, 0.0, 0, 0
    for file in files:
        ids = completer.ids([END, file["text"]])[:LOSS_TOKENS]
        logits = completer.model(torch.tensor([ids])).logits[0, :-1]
        model += float(cross_entropy(logits, torch.tensor(ids[1:]), reduction="sum"))
        table += ngrams.loss(ids)
        tokens += len(ids) - 1
        chars += len(completer.tokenizer.decode(ids[1:]))
    rows: list[Row] = []
    for tool, nats in ((OURS, model), (COUNTED, table)):
        rows.append(Row(HELD_OUT, tool, None, LOSS, nats / tokens))
        rows.append(Row(HELD_OUT, tool, None, PER_CHARACTER, nats / chars / float(np.log(2))))
    return rows


def line_rows(completer: Completer, ngrams: NGrams, holes: list[Hole]) -> list[Row]:
    """Exact match, edit similarity and share of whole files that parse, line by line."""
    rows: list[Row] = []
    for (tool, form), texts in _fills(completer, ngrams, [hole.cut for hole in holes]).items():
        rows += _compared(HELD_OUT, tool, form, [hole.cut for hole in holes], texts)
        valid = mean(parses(hole, text) for hole, text in zip(holes, texts, strict=True))
        rows.append(Row(HELD_OUT, tool, form, "parses", valid))
    return rows


def humaneval_rows(completer: Completer, ngrams: NGrams, cuts: list[Cut]) -> list[Row]:
    """Exact match and edit similarity of whole lines, their indentation included."""
    rows: list[Row] = []
    for (tool, form), texts in _fills(completer, ngrams, cuts).items():
        rows += _compared(HUMANEVAL, tool, form, cuts, texts)
    return rows


def _fills(completer: Completer, ngrams: NGrams, cuts: list[Cut]) -> Fills:
    found: Fills = {}
    start = Start(completer)
    for form in FORMS:
        if form != "left_to_right":
            prompts = [completer.ids(prompt(cut, form)) for cut in cuts]
            found[OURS, form] = completer.greedy_ids(prompts, LINE_TOKENS, start.breaks)
    opened = [start.of(prompt(cut, "left_to_right"), completer.distribution) for cut in cuts]
    texts = completer.greedy_ids([ids for ids, _ in opened], LINE_TOKENS, start.breaks)
    found[OURS, "left_to_right"] = [
        indent + text for (_, indent), text in zip(opened, texts, strict=True)
    ]
    found[COUNTED, None] = [_counted_line(start, ngrams, cut.prefix) for cut in cuts]
    found[REPEATED, None] = [repeated_line(cut.prefix) for cut in cuts]
    return {key: [_first_line(text) for text in texts] for key, texts in found.items()}


class Start:
    """How a line begins without a hole: a line break and its indentation are one token.

    A text that ends in the middle of that token has a continuation that was never seen so.
    """

    def __init__(self, completer: Completer) -> None:
        self.completer = completer
        vocabulary = range(len(completer.tokenizer))
        texts = {i: completer.tokenizer.decode([i]) for i in vocabulary}
        self.breaks = frozenset(i for i, text in texts.items() if "\n" in text)
        self._indents = [i for i in self.breaks if texts[i].startswith("\n")]

    def of(
        self, pieces: list[str], distribution: Callable[[list[int]], Any]
    ) -> tuple[list[int], str]:
        """Token ids up to the first word of the line, and the indentation which that adds."""
        ids = self.completer.ids([*pieces[:-1], pieces[-1] + "x"])[:-1]
        if len(ids) < 2 or self.completer.tokenizer.decode(ids[-1:]) != "\n":
            return ids, ""
        probable = distribution(ids[:-1])
        ids[-1] = max(self._indents, key=lambda i: probable[i])
        return ids, self.completer.tokenizer.decode(ids[-1:]).rpartition("\n")[2]


def _counted_line(start: Start, ngrams: NGrams, prefix: str) -> str:
    ids, indent = start.of([prefix[-NEAR_CHARS:]], lambda ids: ngrams.distribution(ids[-ORDER:]))
    stops = start.breaks | set(start.completer.ids([END]))
    said: str = start.completer.tokenizer.decode(ngrams.greedy(ids, stops, LINE_TOKENS))
    return indent + said


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].rstrip()


def _compared(
    set: str, tool: str, form: str | None, cuts: list[Cut], texts: list[str]
) -> list[Row]:
    pairs = [(text, cut.middle.rstrip()) for text, cut in zip(texts, cuts, strict=True)]
    return [
        Row(set, tool, form, "exact match", mean(given == wanted for given, wanted in pairs)),
        Row(set, tool, form, "edit similarity", mean(edit_similarity(*pair) for pair in pairs)),
    ]
