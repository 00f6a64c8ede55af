"""Paired tests of a candidate against the base, and how small a change each could have seen.

Numbers only: it knows neither models nor items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

ERROR = 0.05
"""One-sided."""
POWER = 0.8
"""What a test is said to detect, it detects so often."""

Finding = Literal["within", "exceeded", "undecided"]
"""Of a budget: shown to be kept, shown to be exceeded, or the sample is too small to tell."""


@dataclass(frozen=True)
class Rise:
    """By how much a mean over pairs rose, relative to what it was."""

    estimate: float
    error: float
    """Its standard error."""
    pairs: int

    def low(self, error: float) -> float:
        """The true rise lies below this with probability `error` at most."""
        return self.estimate - self._quantile(error) * self.error

    def high(self, error: float) -> float:
        """The true rise lies above this with probability `error` at most."""
        return self.estimate + self._quantile(error) * self.error

    @property
    def detectable(self) -> float:
        """The smallest true rise that this sample tells from none, at ERROR and with POWER."""
        return (self._quantile(ERROR) + self._quantile(1 - POWER)) * self.error

    def against(self, budget: float, *, wrongly_passed: float, wrongly_blocked: float) -> Finding:
        """Non-inferiority: `within` only if the data rule out more than `budget`.

        Each error is the probability of that mistake where the true rise is the budget itself.
        """
        if self.low(wrongly_blocked) > budget:
            return "exceeded"
        return "within" if self.high(wrongly_passed) <= budget else "undecided"

    def _quantile(self, error: float) -> float:
        return student_quantile(1 - error, self.pairs - 1)


def relative_rise(before: Sequence[float], after: Sequence[float]) -> Rise:
    """The rise of sum(after) over sum(before), pair by pair; long sequences count for more.

    Its error is the ratio estimator's linear form (Cochran, Sampling Techniques, chapter 6).
    """
    pairs, whole = len(before), math.fsum(before)
    estimate = (math.fsum(after) - whole) / whole
    residuals = (b - a - estimate * a for a, b in zip(before, after, strict=True))
    spread = math.fsum(r * r for r in residuals) * pairs / max(1, pairs - 1)
    return Rise(estimate, math.sqrt(spread) / whole if pairs > 1 else math.inf, pairs)


@dataclass(frozen=True)
class SignTest:
    """Of pairs that turned out good or bad: McNemar's test in its exact form."""

    worse: int
    """Good with the base and bad with the candidate."""
    better: int
    pairs: int

    @property
    def chance(self) -> float:
        """The probability of so many or more getting worse, were either direction as likely."""
        changed = self.worse + self.better
        return math.fsum(math.comb(changed, k) / 2**changed for k in range(self.worse, changed + 1))

    def detectable(self, error: float) -> float:
        """The smallest net share getting worse that is found with POWER, as many changing as did;
        never less than what it takes if none gets better."""
        least = math.ceil(-math.log2(error))
        normal = NormalDist()
        quantiles = normal.inv_cdf(1 - error) + normal.inv_cdf(POWER)
        changed = max(1, self.worse + self.better)
        return max(least, quantiles * math.sqrt(changed)) / max(1, self.pairs)


def sign_test(base: Sequence[bool], candidate: Sequence[bool]) -> SignTest:
    """Of the same cases, in the same order: whether each turned out good."""
    pairs = list(zip(base, candidate, strict=True))
    return SignTest(
        worse=sum(one and not other for one, other in pairs),
        better=sum(other and not one for one, other in pairs),
        pairs=len(pairs),
    )


def error_of_night(night: int) -> float:
    """The share of ERROR that the candidate number `night` against one base may spend, from 1.

    1 / (n (n + 1)) sums to one: over all nights there will ever be, the probability of once
    serving a candidate that exceeds the budget stays below ERROR.
    """
    return ERROR / (night * (night + 1))


def student_quantile(p: float, freedom: int) -> float:
    """Student's t at probability `p`: Cornish and Fisher's expansion about the normal.

    Within a hundredth from 7 degrees of freedom on at `p` of 0.999; infinite with none.
    """
    if freedom < 1:
        return math.inf
    z, v = NormalDist().inv_cdf(p), freedom
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3
