"""Every method against a slow obvious version, and at its edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from unlearn_scene import as_list

from unlearn.errors import UnknownMethod
from unlearn.methods import METHODS, Weights, method
from unlearn.scored import Retained, Scored, forbidden_p, sequence_sums
from unlearn.targets import Sculpted, one_hot, prod_target, sparse

VOCABULARY = 11
WEIGHTS = Weights(ascent=0.2, anchor=0.7, replacement=0.3, retain=0.9)


def scene(
    pushed: Sequence[int] = (2, 3), wanted: Sequence[int] = (5,), *, positions: int = 6
) -> Scored:
    """A batch of `positions` rows; forbidden is the token that stands there, and one more."""
    chance = torch.Generator().manual_seed(11)
    base = torch.randn(positions, VOCABULARY, generator=chance) * 2
    tokens = torch.randint(VOCABULARY - 1, (positions,), generator=chance)
    is_pushed = torch.zeros(positions, dtype=torch.bool)
    is_wanted = torch.zeros(positions, dtype=torch.bool)
    is_pushed[list(pushed)] = True
    is_wanted[list(wanted)] = True
    forbidden = torch.stack([tokens, torch.full_like(tokens, VOCABULARY - 1)], 1)[is_pushed]
    mask = one_hot([tuple(row) for row in as_list(forbidden)], VOCABULARY)
    logits = base + torch.randn(positions, VOCABULARY, generator=chance)
    return Scored(
        logits=logits.requires_grad_(),
        base=base,
        tokens=tokens,
        sequence=torch.arange(positions) // 2 % 2,  # 0 0 1 1 0 0: its answer stands apart
        pushed=is_pushed,
        wanted=is_wanted,
        forbidden=forbidden,
        target=sparse(prod_target(base[is_pushed], mask, 0.8)),
        weight=torch.tensor([2.0, *[1.0] * (len(pushed) - 1)])[: len(pushed)],
        floor=torch.full((len(pushed),), 0.05),
    )


def with_logits(items: Scored, logits: Tensor) -> Scored:
    return replace(items, logits=logits.requires_grad_())


def gradient(loss: Tensor, items: Scored) -> Tensor:
    """(positions, vocab) of the loss on the logits."""
    (found,) = torch.autograd.grad(loss, items.logits)
    return found


def some_retain() -> Retained:
    chance = torch.Generator().manual_seed(12)
    base = torch.randn(4, VOCABULARY, generator=chance)
    logits = base + 0.5 * torch.randn(4, VOCABULARY, generator=chance)
    return Retained(logits, base, torch.randint(VOCABULARY, (4,), generator=chance))


def probabilities(logits: Tensor) -> list[list[float]]:
    rows: list[list[float]] = as_list(logits.detach())
    sums = [sum(math.exp(z) for z in row) for row in rows]
    return [[math.exp(z) / total for z in row] for row, total in zip(rows, sums, strict=True)]


def slow_log_p(items: Scored, mask: Tensor) -> list[float]:
    p = probabilities(items.logits)
    return [math.log(p[t][int(items.tokens[t])]) for t in range(len(p)) if mask[t]]


def slow_kl(of: Tensor, to: Tensor) -> list[float]:
    pairs = zip(probabilities(of), probabilities(to), strict=True)
    return [sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) for p, q in pairs]


def slow_ce(items: Scored) -> list[float]:
    p = [
        row
        for row, is_pushed in zip(probabilities(items.logits), as_list(items.pushed), strict=True)
        if is_pushed
    ]
    ids: list[list[int]] = as_list(items.target.ids)
    masses: list[list[float]] = as_list(items.target.mass)
    return [
        -sum(mass * math.log(row[token]) for token, mass in zip(tokens, wanted, strict=True))
        for row, tokens, wanted in zip(p, ids, masses, strict=True)
    ]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def slow_ga(items: Scored, retain: Retained) -> float:
    return mean(slow_log_p(items, items.pushed))


def slow_selective_ga(items: Scored, retain: Retained) -> float:
    away = [
        k
        for k, is_pushed in zip(slow_kl(items.logits, items.base), items.pushed, strict=True)
        if is_pushed
    ]
    return (
        mean(slow_log_p(items, items.pushed))
        - 0.5 * mean(slow_log_p(items, items.others))
        + 0.1 * (-mean(away) + mean(slow_kl(retain.logits, retain.base)))
    )


def slow_prod(items: Scored, retain: Retained) -> float:
    return mean(slow_ce(items))


def slow_span_prod(items: Scored, retain: Retained) -> float:
    p = [
        p
        for p, mine in zip(probabilities(items.logits), as_list(items.pushed), strict=True)
        if mine
    ]
    worst = [max(p[i][int(t)] for t in row) for i, row in enumerate(items.forbidden)]
    above = [max(0.0, math.log(p / 0.05)) for p in worst]
    share = [float(w) * (p >= 0.05) for w, p in zip(items.weight, worst, strict=True)]
    push = [ce + 0.2 * up for ce, up in zip(slow_ce(items), above, strict=True)]
    held = zip(slow_kl(items.base, items.logits), items.others, strict=True)
    return (
        sum(a * b for a, b in zip(push, share, strict=True)) / sum(share)
        + 0.7 * mean([k for k, is_other in held if is_other])
        - 0.3 * mean(slow_log_p(items, items.wanted))
        + 0.9 * mean(slow_kl(retain.base, retain.logits))
    )


def slow_descent(retain: Retained) -> float:
    p = probabilities(retain.logits)
    return -mean([math.log(row[int(t)]) for row, t in zip(p, retain.tokens, strict=True)])


def slow_sequences(
    items: Scored, mask: Tensor, value: Callable[[float, float], float]
) -> list[list[float]]:
    """value(p, p0) of the masked tokens of each sequence that has something to forget."""
    p, p0 = probabilities(items.logits), probabilities(items.base)
    numbers: list[int] = as_list(items.sequence)
    holding = sorted({n for n, pushed in zip(numbers, items.pushed, strict=True) if pushed})
    return [
        [
            value(p[t][int(items.tokens[t])], p0[t][int(items.tokens[t])])
            for t in range(len(p))
            if numbers[t] == n and mask[t]
        ]
        for n in holding
    ]


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def log_ratio(p: float, p0: float) -> float:
    return math.log(p / p0)


def slow_npo(items: Scored, retain: Retained) -> float:
    ratios = [sum(row) for row in slow_sequences(items, items.pushed, log_ratio)]
    return mean([-(2 / 0.1) * log_sigmoid(-0.1 * ratio) for ratio in ratios])


def slow_dpo(items: Scored, retain: Retained) -> float:
    worse = slow_sequences(items, items.pushed, log_ratio)
    better = slow_sequences(items, items.wanted, log_ratio)
    return mean([-log_sigmoid(0.1 * (sum(a) - sum(b))) for a, b in zip(better, worse, strict=True)])


def slow_flat(items: Scored, retain: Retained) -> float:
    bad = slow_sequences(items, items.pushed, lambda p, _: p)
    good = slow_sequences(items, items.wanted, lambda p, _: p)
    return mean(
        [math.exp(mean(b) - 1) - (mean(a) if a else 0.0) for a, b in zip(good, bad, strict=True)]
    )


def slow_simnpo(items: Scored, retain: Retained) -> float:
    rows = slow_sequences(items, items.pushed, lambda p, _: math.log(p))
    return mean([-(2 / 2.5) * log_sigmoid(-2.5 * mean(row)) for row in rows]) + slow_descent(retain)


def slow_edited(items: Scored, edit: Callable[[list[float], set[int]], list[float]]) -> float:
    """Mean cross-entropy of the pushed positions against the softmax of edited logits."""
    p = probabilities(items.logits)
    sources: list[list[float]] = as_list(items.base)
    places = [t for t in range(len(p)) if items.pushed[t]]
    found: list[float] = []
    for t, forbidden in zip(places, as_list(items.forbidden), strict=True):
        z = [math.exp(value) for value in edit(sources[t], set(forbidden))]
        found.append(-sum(q / sum(z) * math.log(w) for q, w in zip(z, p[t], strict=True)))
    return mean(found)


def slow_undial(items: Scored, retain: Retained) -> float:
    return slow_edited(
        items, lambda z, forbidden: [v - 10 * (i in forbidden) for i, v in enumerate(z)]
    )


def slow_ce_u(items: Scored, retain: Retained) -> float:
    current = replace(items, base=items.logits.detach())
    return slow_edited(
        current,
        lambda z, forbidden: [-math.inf if i in forbidden else v for i, v in enumerate(z)],
    )


def slow_wga(items: Scored, retain: Retained) -> float:
    log_p = slow_log_p(items, items.pushed)
    return mean([math.exp(each) * each for each in log_p]) + slow_descent(retain)


PUBLISHED: dict[str, Callable[[Scored, Retained], float]] = {
    "ga": slow_ga,
    "ga_gd": lambda items, retain: slow_ga(items, retain) + slow_descent(retain),
    "ga_kl": lambda items, retain: (
        slow_ga(items, retain) + mean(slow_kl(retain.base, retain.logits))
    ),
    "npo": slow_npo,
    "dpo": slow_dpo,
    "flat": slow_flat,
    "prod": slow_prod,
    "simnpo": slow_simnpo,
    "undial": slow_undial,
    "ce_u": slow_ce_u,
    "wga": slow_wga,
}
SLOW = {
    **PUBLISHED,
    **{f"{name}_on_span": slow for name, slow in PUBLISHED.items()},
    "selective_ga": slow_selective_ga,
    "span_prod": slow_span_prod,
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_equals_its_slow_version(name: str) -> None:
    items, retain = scene(), some_retain()

    loss = method(name).loss(items, retain, WEIGHTS)

    assert loss.item() == pytest.approx(SLOW[name](items, retain), rel=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_makes_the_forbidden_tokens_less_probable(name: str) -> None:
    items = scene(pushed=(3,))

    push = gradient(method(name).loss(items, None, WEIGHTS), items)

    after = items.logits.detach() - 0.1 * push
    before = forbidden_p(items.logits.detach()[items.pushed], items.forbidden)
    assert (forbidden_p(after[items.pushed], items.forbidden) < before).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_with_nothing_to_forget_has_a_finite_loss_and_gradient(name: str) -> None:
    items = scene(pushed=(), wanted=())

    loss = method(name).loss(items, None, WEIGHTS)

    assert loss.isfinite() and gradient(loss, items).isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_in_which_every_position_is_blamed_has_a_finite_loss(name: str) -> None:
    items = scene(pushed=range(6), wanted=())

    assert method(name).loss(items, None, WEIGHTS).isfinite()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("certainty", [80.0, -80.0])
def test_a_token_at_probability_one_or_zero_gives_a_finite_gradient(
    name: str, certainty: float
) -> None:
    items = scene(pushed=(2,), wanted=())
    logits = items.logits.detach().clone()
    logits[2, items.forbidden[0]] = certainty
    scored = with_logits(items, logits)

    push = gradient(method(name).loss(scored, some_retain(), WEIGHTS), scored)

    assert push.isfinite().all()


def test_span_prod_leaves_a_position_alone_once_it_is_below_its_floor() -> None:
    items = scene(pushed=(2,), wanted=())
    logits = items.logits.detach().clone()
    logits[2, items.forbidden[0]] = -20
    scored = with_logits(items, logits)

    push = gradient(method("span_prod").loss(scored, None, WEIGHTS), scored)

    assert (push[2] == 0).all()


def test_the_push_of_span_prod_dies_out_where_that_of_ascent_does_not() -> None:
    pushes: dict[str, float] = {}
    for name in ("ga", "prod"):
        items = scene(pushed=(2,), wanted=())
        sculpted = items.base.clone()
        sculpted[2] = -30
        sculpted[2, items.target.ids[0]] = items.target.mass[0].clamp(min=1e-9).log()
        scored = with_logits(items, sculpted)
        push = gradient(method(name).loss(scored, None, WEIGHTS), scored)
        pushes[name] = float(push[2].abs().sum())

    assert pushes["prod"] < 1e-5
    assert pushes["ga"] > 0.5


def test_prod_pushes_no_token_outside_its_mask() -> None:
    items = scene(pushed=(3,))

    push = gradient(method("prod").loss(items, None, WEIGHTS), items)

    moved = push.abs().sum(-1) > 0
    assert as_list(moved) == [False, False, False, True, False, False]


def test_sums_are_taken_by_sequence_and_of_masked_positions_only() -> None:
    values = torch.tensor([1.0, 2.0, 4.0, 8.0])

    found = sequence_sums(
        values, torch.tensor([True, True, False, True]), torch.tensor([0, 2, 2, 2])
    )

    assert as_list(found) == [1.0, 0.0, 10.0]


def test_a_sequence_without_an_answer_is_pushed_by_a_preference_all_the_same() -> None:
    items = scene(pushed=(2, 3), wanted=())

    push = gradient(method("dpo").loss(items, None, WEIGHTS), items)

    assert as_list(push.abs().sum(-1) > 0) == [False, False, True, True, False, False]


def test_padding_a_forbidden_set_by_repetition_changes_nothing() -> None:
    logits = torch.randn(2, VOCABULARY)

    narrow = forbidden_p(logits, torch.tensor([[3], [5]]))
    wide = forbidden_p(logits, torch.tensor([[3, 3, 3], [5, 5, 5]]))

    assert torch.equal(narrow, wide)


def test_padding_a_target_with_zero_mass_changes_nothing() -> None:
    items = scene(pushed=(2,))
    wider = Sculpted(
        torch.cat([items.target.ids, torch.zeros(1, 3, dtype=torch.long)], 1),
        torch.cat([items.target.mass, torch.zeros(1, 3)], 1),
    )
    padded = replace(items, target=wider)

    assert torch.allclose(
        method("prod").loss(padded, None, WEIGHTS), method("prod").loss(items, None, WEIGHTS)
    )


def test_an_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(
        UnknownMethod,
        match="no unlearning method is called 'npoo'; choose one of ce_u, ce_u_on_span,",
    ):
        method("npoo")
