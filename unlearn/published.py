"""The published losses, each with its paper's formula; their codes' faults are corrected.

p is the model in training, p0 the base, y the tokens to forget (every token of the target unless
the method's row says otherwise), r the retain set. Everywhere: prompt and padding are not
unlearned, and probabilities are log-softmax in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from unlearn.scored import (
    Retained,
    Scored,
    chosen_log_p,
    kl,
    masked_mean,
    mean,
    sculpted_ce,
    sequence_sums,
)

NPO_BETA = 0.1
DPO_BETA = 0.1
SIMNPO_BETA, SIMNPO_GAMMA = 2.5, 0.0
UNDIAL_BETA = 10.0
WGA_BETA = 1.0
ERASER_GAMMA, ERASER_LAMBDA = 0.5, 0.1


def ga(items: Scored, retain: Retained | None) -> Tensor:
    """Gradient ascent: mean over y of log p(y_t).

    "Large Language Model Unlearning" (Yao et al.); the first baseline of PROD and CodeEraser.
    Unbounded below: only stopping ends it.
    """
    return masked_mean(chosen_log_p(items.logits, items.tokens), items.pushed)


def ga_gd(items: Scored, retain: Retained | None) -> Tensor:
    """Ascent on y, descent on the retain set: "Mitigating Sensitive Information Leakage in
    LLMs4Code through Machine Unlearning", its second arm."""
    return ga(items, retain) + _descent(retain)


def ga_kl(items: Scored, retain: Retained | None) -> Tensor:
    """Ascent on y, KL(p0 || p) on the retain set: the same study's third arm."""
    if retain is None:
        return ga(items, retain)
    return ga(items, retain) + mean(kl(retain.base, retain.logits))


def npo(items: Scored, retain: Retained | None) -> Tensor:
    """-(2/beta) log sigma(-beta log [p(y) / p0(y)]) per sequence, beta 0.1.

    "Negative Preference Optimization" (Zhang et al.), Eq. 3.
    """
    ratio = _log_ratio(items, items.pushed)
    return mean(-2 / NPO_BETA * logsigmoid(-NPO_BETA * ratio[_holding(items)]))


def dpo(items: Scored, retain: Retained | None) -> Tensor:
    """-log sigma(beta [log p/p0 (answer) - log p/p0 (y)]) per sequence, beta 0.1.

    "Direct Preference Optimization" (Rafailov et al.), Eq. 7, as PROD's baseline: the answer is
    the replacement, or a refusal. Of a sequence without an answer, that term is zero.
    """
    better, worse = _log_ratio(items, items.wanted), _log_ratio(items, items.pushed)
    return mean(-logsigmoid(DPO_BETA * (better - worse)[_holding(items)]))


def flat(items: Scored, retain: Retained | None) -> Tensor:
    """exp(P(y) - 1) - P(answer) per sequence, P the mean probability of its tokens.

    "LLM Unlearning via Loss Adjustment with Only Forget Data" (FLAT), the variational form of the
    f-divergence with f of the KL: g*(v) = v, f*(u) = exp(u - 1).
    """
    p = chosen_log_p(items.logits, items.tokens).exp()
    good, bad = (_sequence_means(items, p, mask) for mask in (items.wanted, items.pushed))
    return mean((torch.exp(bad - 1) - good)[_holding(items)])


def selective_ga(items: Scored, retain: Retained | None) -> Tensor:
    """Ascent on the secret s, descent on its context c, KL away from and close to the base.

    CodeEraser, "Scrub It Out!", Eq. 11: [-LM(s) + gamma LM(c)] + lambda [-KL(p || p0 on s)
    + alpha KL(p || p0 on retain)], gamma 0.5, lambda 0.1, alpha 1. Against its code: the mask
    overlaps strictly, padding counts nowhere, and every term is a mean over its own tokens.
    """
    log_p = chosen_log_p(items.logits, items.tokens)
    loss = masked_mean(log_p, items.pushed) - ERASER_GAMMA * masked_mean(log_p, items.others)
    loss = loss - ERASER_LAMBDA * masked_mean(kl(items.logits, items.base), items.pushed)
    if retain is not None:
        loss = loss + ERASER_LAMBDA * mean(kl(retain.logits, retain.base))
    return loss


def prod(items: Scored, retain: Retained | None) -> Tensor:
    """PROD as published: CE(q_t, p_t) on every token of the target, alpha 0.

    "Large Language Model Unlearning for Source Code", section on PROD; q_t is
    `unlearn.targets.prod_target` with no fall-back. Against its code: the nucleus is taken after
    the edit and the target renormalised at every position.
    """
    return mean(sculpted_ce(items.logits[items.pushed], items.target))


def simnpo(items: Scored, retain: Retained | None) -> Tensor:
    """-(2/beta) log sigma(-(beta/|y|) log p(y) - gamma) per sequence + descent on the retain set.

    "Simplicity Prevails: Rethinking Negative Preference Optimization" (SimNPO); beta 2.5, gamma 0.
    """
    log_p = chosen_log_p(items.logits, items.tokens)
    margin = -SIMNPO_BETA * _sequence_means(items, log_p, items.pushed) - SIMNPO_GAMMA
    return mean(-2 / SIMNPO_BETA * logsigmoid(margin[_holding(items)])) + _descent(retain)


def undial(items: Scored, retain: Retained | None) -> Tensor:
    """CE(softmax(z0 - beta 1_y), p), beta 10: "UNDIAL: Self-Distillation with Adjusted Logits".

    Against the common port: prompt and padding positions are left out.
    """
    z0 = items.base[items.pushed].float()
    rows = torch.arange(len(z0), device=z0.device)[:, None]
    target = z0.index_put((rows, items.forbidden), z0.gather(-1, items.forbidden) - UNDIAL_BETA)
    return mean(_ce(target, items.logits[items.pushed]))


def ce_u(items: Scored, retain: Retained | None) -> Tensor:
    """CE(softmax(z without y), p), z the current model's own logits, no gradient through them.

    "CE-U: Cross Entropy Unlearning": PROD without a frozen teacher or a nucleus.
    """
    z = items.logits[items.pushed].float()
    target = z.detach().scatter(-1, items.forbidden, -torch.inf)
    return mean(_ce(target, z))


def wga(items: Scored, retain: Retained | None) -> Tensor:
    """mean over y of p(y_t)^beta log p(y_t), beta 1, the weight without gradient, + descent on r.

    "Rethinking LLM Unlearning Objectives" (WGA): ascent whose weight fades with the probability.
    """
    log_p = chosen_log_p(items.logits, items.tokens)
    weight = (WGA_BETA * log_p.detach()).exp()
    return masked_mean(weight * log_p, items.pushed) + _descent(retain)


def _descent(retain: Retained | None) -> Tensor | float:
    """The retain set's loss in nats per token."""
    return 0.0 if retain is None else -mean(chosen_log_p(retain.logits, retain.tokens))


def _ce(target: Tensor, logits: Tensor) -> Tensor:
    """(positions,) cross-entropy of logits to the softmax of target, both (positions, vocab)."""
    log_p = logits.float().log_softmax(-1)
    return -(target.softmax(-1) * log_p).sum(-1)


def _log_ratio(items: Scored, mask: Tensor) -> Tensor:
    """(sequences,) log p/p0 of the masked tokens of each sequence."""
    log_p = chosen_log_p(items.logits, items.tokens)
    return sequence_sums(log_p - chosen_log_p(items.base, items.tokens), mask, items.sequence)


def _sequence_means(items: Scored, values: Tensor, mask: Tensor) -> Tensor:
    """(sequences,) means of values (positions,) over the masked tokens; zero over none."""
    counts = sequence_sums(torch.ones_like(values), mask, items.sequence)
    return sequence_sums(values, mask, items.sequence) / counts.clamp(min=1)


def _holding(items: Scored) -> Tensor:
    """(sequences,) bool: those with something to forget."""
    return sequence_sums(items.pushed.float(), items.pushed, items.sequence) > 0
