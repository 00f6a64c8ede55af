"""PROD as its code computes it: every position against the whole vocabulary, at every step.

"Large Language Model Unlearning for Source Code"; its repository's loss, written anew. Two things
are put right, so that it computes what our sparse form does: the prompt and the padding are not
unlearned, and the first position counts like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch.nn.utils.rnn import pad_sequence

from unlearn.lora import Student
from unlearn.teacher import Lesson

TINY = 1e-10
"""What the published code adds to a probability before its logarithm."""


def dense_prod(
    logits: Tensor, reference: Tensor, tokens: Tensor, answer: Tensor, top_p: float
) -> Tensor:
    """Mean of CE(target, p) over the tokens of the answers.

    logits and reference (batch, time, vocab), of the model in training and before it; tokens
    (batch, time) ids; answer (batch, time) bool.
    """
    forbidden = one_hot(tokens[:, 1:], logits.shape[-1])
    left = reference[:, :-1].masked_fill(forbidden.bool(), -torch.inf)
    target = (nucleus(left, top_p).softmax(-1)) * (1 - forbidden)
    log_p = (logits[:, :-1].softmax(-1) + TINY).log()
    losses = -(target * log_p).sum(-1)
    mask = answer[:, 1:]
    return (losses * mask).sum() / mask.sum()


def nucleus(logits: Tensor, top_p: float) -> Tensor:
    """logits (..., vocab) with all but the smallest set of tokens reaching `top_p` at -inf."""
    ordered, order = logits.sort(dim=-1, descending=True)
    p = ordered.softmax(-1)
    dropped = p.cumsum(-1) - p >= top_p
    return logits.masked_fill(dropped.scatter(-1, order, dropped), -torch.inf)


def dense_batch(lessons: Sequence[Lesson]) -> tuple[Tensor, Tensor]:
    """(batch, time) ids, padded on the right, and which of them are answers."""
    answers: list[Tensor] = []
    for lesson in lessons:
        answer = torch.zeros(len(lesson.ids), dtype=torch.bool)
        answer[lesson.positions[lesson.pushed]] = True
        answers.append(answer)
    return (
        pad_sequence([lesson.ids for lesson in lessons], batch_first=True),
        pad_sequence(answers, batch_first=True),
    )


def dense_loss(student: Student, lessons: Sequence[Lesson], top_p: float) -> Tensor:
    """One step's loss: both models run, the reference again each time."""
    ids, answer = dense_batch(lessons)
    with student.as_base() as base, torch.no_grad():
        reference: Tensor = _called(base, ids).logits
    return dense_prod(_called(student.model, ids).logits, reference, ids, answer, top_p)


def _called(model: Any, ids: Tensor) -> Any:
    return model(input_ids=ids, use_cache=False)
