"""Two sets of runs side by side: each figure's difference with its interval, its effect size and a test. Pure.

Values are told as counts or weights by value, so that histograms of millions of durations and single runs of a sample
are compared alike.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from stepwell_api import effects
from stepwell_api.effects import Z_95, Interval
from stepwell_api.totals import Totals, sample_variance
from stepwell_storage.rollups import histogram

FALSE_DISCOVERY_RATE: Final = 0.01
MIN_GROUP: Final = 30
"""Runs or calls on each side, below which nothing is called significant."""
NOTHING: Final = 1e-15
"""A variance below it is rounding: all values are equal."""

UNKNOWN: Final = Interval(None, None)

Weights = Mapping[float, float]
"""Value → how often."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure on both sides; `difference` is b less a."""

    name: str
    a: float | None
    b: float | None
    interval: Interval = UNKNOWN
    """Of the difference, 95 %."""
    effect_size: float | None = None
    """Cliff's delta for values (-1 to 1), Cohen's h for rates; above 0 where b has more."""
    p_value: float | None = None
    test: str | None = None
    n_a: int = 0
    n_b: int = 0

    def described(self) -> dict[str, Any]:
        """As the API tells it."""
        known = self.a is not None and self.b is not None
        is_enough = min(self.n_a, self.n_b) >= MIN_GROUP
        return {
            "name": self.name,
            "a": self.a,
            "b": self.b,
            "difference": self.b - self.a if self.a is not None and self.b is not None else None,
            "change": (self.b - self.a) / self.a if self.b is not None and self.a else None,
            "low": self.interval.low if known else None,
            "high": self.interval.high if known else None,
            "effect_size": self.effect_size,
            "p_value": self.p_value,
            "is_significant": is_enough and self.p_value is not None and self.p_value <= FALSE_DISCOVERY_RATE,
            "test": self.test,
            "n_a": self.n_a,
            "n_b": self.n_b,
        }


@dataclass(frozen=True, slots=True)
class Values:
    """One figure of all runs or calls of a side."""

    weights: Weights
    """How often each value came; of a histogram each bucket's middle."""
    mean: float | None
    variance: float | None
    size: float

    @classmethod
    def of_weights(cls, weights: Weights) -> "Values":
        """From each value's weight; weights add up to the number of values that were looked at."""
        size = math.fsum(weights.values())
        if not size:
            return cls(weights, None, None, 0.0)
        mean = math.fsum(value * weight for value, weight in weights.items()) / size
        squares = math.fsum(weight * (value - mean) ** 2 for value, weight in weights.items())
        return cls(weights, mean, squares / (size - 1) if size > 1 else None, size)

    @classmethod
    def of_durations(cls, totals: Totals) -> "Values":
        """From sums, which are exact, and their histogram."""
        mean, size = totals.mean("duration_ms", "duration_count"), float(totals["duration_count"])
        return cls(of_histogram(totals.durations), mean, sample_variance(totals), size)


def corrected(differences: Sequence[Difference]) -> list[Difference]:
    """With p-values as Benjamini and Hochberg adjust them for all that were tested here."""
    tested = [at for at, found in enumerate(differences) if found.p_value is not None]
    p_values = effects.adjusted([differences[at].p_value or 0.0 for at in tested])
    adjusted = dict(zip(tested, p_values, strict=True))
    return [replace(found, p_value=adjusted.get(at)) for at, found in enumerate(differences)]


def of_rates(name: str, hits_a: int, size_a: int, hits_b: int, size_b: int) -> Difference:
    """Of shares: Newcombe's interval and Fisher's exact test."""
    if not size_a or not size_b:
        a, b = (hits / size if size else None for hits, size in ((hits_a, size_a), (hits_b, size_b)))
        return Difference(name, a, b, n_a=size_a, n_b=size_b)
    rate_a, rate_b = hits_a / size_a, hits_b / size_b
    return Difference(
        name,
        rate_a,
        rate_b,
        effects.rate_difference(hits_b, size_b, hits_a, size_a),
        2 * math.asin(math.sqrt(rate_b)) - 2 * math.asin(math.sqrt(rate_a)),
        effects.rate_p_value(hits_b, size_b, hits_a, size_a),
        "Fisher's exact test",
        size_a,
        size_b,
    )


def of_means(name: str, a: "Values", b: "Values") -> Difference:
    """Of means, with the interval of Welch for large samples; effect size and test are of the ranks."""
    found = Difference(name, a.mean, b.mean, n_a=round(a.size), n_b=round(b.size))
    if a.mean is None or b.mean is None:
        return found
    if a.variance is not None and b.variance is not None:
        half = Z_95 * math.sqrt(a.variance / a.size + b.variance / b.size)
        found = replace(found, interval=Interval(b.mean - a.mean - half, b.mean - a.mean + half))
    delta, p_value = rank_test(a.weights, b.weights)
    return replace(found, effect_size=delta, p_value=p_value, test="Mann-Whitney test")


def of_quantiles(name: str, share: float, a: Sequence[int] | None, b: Sequence[int] | None) -> Difference:
    """Of a percentile of two histograms; the interval from order statistics (MOVER, Zou and Donner 2008)."""
    told_a, told_b = _quantile(a, share), _quantile(b, share)
    size_a, size_b = (sum(array[1:]) if array else 0 for array in (a, b))
    found = Difference(name, told_a and told_a[1], told_b and told_b[1], n_a=size_a, n_b=size_b)
    if told_a is None or told_b is None:
        return found
    (low_a, at_a, high_a), (low_b, at_b, high_b) = told_a, told_b
    difference = at_b - at_a
    low = difference - math.hypot(at_b - low_b, high_a - at_a)
    high = difference + math.hypot(high_b - at_b, at_a - low_a)
    return replace(found, interval=Interval(low, high))


def rank_test(a: Weights, b: Weights) -> tuple[float | None, float | None]:
    """Cliff's delta (1993), above 0 where b has larger values, and the two-sided p-value of Mann and Whitney (1947).

    With the correction for ties.
    """
    size_a, size_b = math.fsum(a.values()), math.fsum(b.values())
    total = size_a + size_b
    if min(size_a, size_b) <= 0 or total <= 1:
        return None, None
    below = wins = ties = 0.0
    for value in sorted({*a, *b}):
        here_a, here_b = a.get(value, 0.0), b.get(value, 0.0)
        wins += here_b * (below + here_a / 2)
        below += here_a
        ties += (here_a + here_b) ** 3 - (here_a + here_b)
    share = wins / (size_a * size_b)
    variance = (total + 1 - ties / (total * (total - 1))) / (12 * size_a * size_b)
    p_value = effects.two_sided((share - 0.5) / math.sqrt(variance)) if variance > NOTHING else 1.0
    return 2 * share - 1, p_value


def of_histogram(array: Sequence[int] | None) -> dict[float, float]:
    """A histogram as weights by the middle of each bucket."""
    return {histogram.middle(bucket): float(count) for bucket, count in histogram.from_array(array).items()}


def _quantile(array: Sequence[int] | None, share: float) -> tuple[float, float, float] | None:
    """Lower end, value and upper end of a percentile's 95 % interval."""
    size = sum(array[1:]) if array else 0
    if not size:
        return None
    half = Z_95 * math.sqrt(share * (1 - share) / size)
    low, at, high = histogram.percentiles(array, (max(share - half, 0.0), share, min(share + half, 1.0)))
    assert low is not None
    assert at is not None
    assert high is not None
    return low, at, high
