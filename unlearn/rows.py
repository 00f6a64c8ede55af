"""From what the gate measured to the rows of its table: limits, and sentences for a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from server.engine.protocol import Form
from server.engine.weights import MOST_MERGE_ERROR
from unlearn.config import RefreshConfig
from unlearn.infilling import Filled
from unlearn.paired import Finding, sign_test
from unlearn.scores import repeats
from unlearn.utility import Drift
from unlearn.verdict import ItemVerdict, Row

KEPT_SHARE = 0.95
"""Of the items of earlier nights, so many must stay forgotten. A relapse is banned again, but the
generation that serves still keeps it back by itself."""
DIVERGENCE_LIMIT = 0.25
"""Mean KL to the base on held-out code, in nats per token."""
LINE_ERROR = 0.01
"""One-sided error of each sign test over completed lines."""
SPEECHLESS_LIMIT = 0.5
"""So many answers in the places of items may be empty or repeat: PROD's mute refusal and token
collapse, which the blamed text's absence alone would count as success."""
SPEECHLESS_FEW = 3
"""As few as these may be so in any case: one item's place may well end there."""


def integrity_row(wrong: str | None) -> Row:
    """`wrong` is what is not sound about the adapter, if anything."""
    sentence = "the adapter is sound and loads in a fresh process"
    if wrong is not None:
        sentence = f"the adapter is not sound: {wrong}"
    return Row("integrity", float(wrong is not None), 0.0, wrong is None, True, sentence)


def merge_row(form: Form, error: float | None) -> Row:
    """How the candidate was served, and how much of its change a merge rounds away."""
    lost = 0.0 if error is None else error
    sentence = f"served {form}"
    if error is not None:
        sentence += f"; merging rounds {lost:.2%} of the change away (merged up to "
        sentence += f"{MOST_MERGE_ERROR:.0%})"
    return Row("merge", lost, MOST_MERGE_ERROR, lost <= MOST_MERGE_ERROR, False, sentence)


def forget_rows(
    verdicts: Collection[ItemVerdict], new: Collection[str], config: RefreshConfig
) -> list[Row]:
    """Shares of the new items and of the old ones; an item that fails stays banned in any case."""
    fresh = [verdict for verdict in verdicts if verdict.item in new]
    old = [verdict for verdict in verdicts if verdict.item not in new]
    least = config.forgotten_share
    rest = "the others stay banned"
    return [
        *_share("forget_forced", [v.is_improbable for v in fresh], least, "are improbable", rest),
        *_share("forget_generated", [v.is_silent for v in fresh], least, "do not come out", rest),
        *_share(
            "rehearsal",
            [v.is_forgotten for v in old],
            KEPT_SHARE,
            "of earlier nights stay forgotten",
            "the others are banned again",
        ),
    ]


def guard_row(flagged: int | None, asked: int) -> list[Row]:
    """`flagged` of the suggestions for `asked` items broke the item's own rule again."""
    if flagged is None:
        return []
    sentence = f"the guard finds the same rule in {flagged} of {asked} new suggestions"
    return [Row("guard", float(flagged), 0.0, flagged == 0, False, sentence)]


def speech_row(answers: Sequence[str]) -> list[Row]:
    """`answers` are the greedy suggestions in the places of items."""
    if not answers:
        return []
    count = sum(not text.strip() or repeats(text) for text in answers)
    share = count / len(answers)
    passed = share <= SPEECHLESS_LIMIT or count <= SPEECHLESS_FEW
    sentence = (
        f"{count} of {len(answers)} answers in place of items are empty or repeat themselves "
        f"(at most {SPEECHLESS_LIMIT:.0%} may, or {SPEECHLESS_FEW})"
    )
    return [Row("speech", share, SPEECHLESS_LIMIT, passed, True, sentence)]


def utility_rows(apart: Drift, found: Finding, budget: float) -> list[Row]:
    """The held-out loss against its budget, and the divergence."""
    what = {
        "within": "the budget is kept",
        "exceeded": "the budget is exceeded",
        "undecided": f"too close to the budget for {apart.sequences} sequences to tell",
    }
    loss = (
        f"held-out loss {apart.loss_before:.4f} to {apart.loss_after:.4f} nats per token, "
        f"{apart.rise:+.2%} against the base (95 % from {apart.low:+.2%} to {apart.high:+.2%}; "
        f"budget {budget:+.2%}): {what[found]}; over {apart.sequences} sequences a rise of "
        f"{apart.detectable:.2%} is detected (power 80 %, one-sided 5 %)"
    )
    divergence = f"{apart.divergence:.4f} nats per token from the base (at most {DIVERGENCE_LIMIT})"
    is_near = apart.divergence <= DIVERGENCE_LIMIT
    return [
        Row("utility_loss", apart.rise, budget, found == "within", True, loss),
        Row("utility_divergence", apart.divergence, DIVERGENCE_LIMIT, is_near, True, divergence),
    ]


def line_rows(base: Sequence[Filled], now: Sequence[Filled]) -> list[Row]:
    """Sign tests over the same lines, completed by either."""
    return [
        _line("infilling", base, now, "is exact", lambda line: line.is_exact),
        _line("parse", base, now, "parses", lambda line: line.parses),
        _line("empty", base, now, "is not empty", lambda line: not line.is_empty),
        _line("repetition", base, now, "does not repeat", lambda line: not line.repeats),
    ]


def _share(name: str, holds: list[bool], least: float, what: str, others: str) -> list[Row]:
    if not holds:
        return []
    share = sum(holds) / len(holds)
    sentence = f"{sum(holds)} of {len(holds)} items {what} (at least {least:.0%} must; {others})"
    return [Row(name, share, least, share >= least, True, sentence)]


def _line(
    name: str,
    base: Sequence[Filled],
    now: Sequence[Filled],
    what: str,
    is_good: Callable[[Filled], bool],
) -> Row:
    test = sign_test([is_good(line) for line in base], [is_good(line) for line in now])
    sentence = (
        f"what is filled in {what} in {sum(map(is_good, now))} of {test.pairs} lines, in "
        f"{sum(map(is_good, base))} with the base: {test.worse} got worse and {test.better} "
        f"better (chance {test.chance:.2g}; a net loss of {test.detectable(LINE_ERROR):.0%} of the "
        "lines is detected)"
    )
    return Row(name, test.chance, LINE_ERROR, test.chance >= LINE_ERROR, True, sentence)
