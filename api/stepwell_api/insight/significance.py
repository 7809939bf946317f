"""Statistical tests, each one-sided ("more", "longer") and valid for the small samples that agents give.

Only `scipy.special` is used: importing `scipy.stats` takes longer than an answer may.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALLEST = 1e-300
"""P-values are not told below it."""
ATTAINABLE = 1e-3
"""Smallest p-value that a test has to be able to reach to be made."""
COLLINEAR = 0.02
"""Part of a regressor's variation that has to be its own."""


def binomial_above(successes: float, trials: float, rate: float) -> float:
    """P(X >= successes) for X ~ Binomial(trials, rate): whether a share exceeds `rate` (Clopper and Pearson 1934)."""
    if successes <= 0:
        return 1.0
    return float(max(special.bdtrc(math.ceil(successes) - 1, round(trials), rate), SMALLEST))


def binomial_below(successes: float, trials: float, rate: float) -> float:
    """P(X <= successes) for X ~ Binomial(trials, rate): whether a share stays below `rate`."""
    return float(max(special.bdtr(math.floor(successes), round(trials), rate), SMALLEST))


def fisher_greater(hits: int, size: int, other_hits: int, other_size: int) -> float:
    """Fisher's exact test that a share is greater than another group's (Fisher 1935)."""
    total, hit = size + other_size, hits + other_hits
    if not size or not other_size or not hit:
        return 1.0
    k = np.arange(hits, min(size, hit) + 1)
    logs = _log_choose(size, k) + _log_choose(other_size, hit - k) - _log_choose(total, np.array([hit]))
    logs = logs[np.isfinite(logs)]
    return float(min(max(np.exp(special.logsumexp(logs)), SMALLEST), 1.0)) if len(logs) else SMALLEST


def can_show(size: int, other_size: int, hits: int) -> bool:
    """Whether Fisher's test could show anything at all, were all hits in the group (Tarone 1990).

    It depends on the sums alone, so that leaving out what cannot be shown leaves the other tests as they are.
    """
    most = min(size, hits)
    return fisher_greater(most, size, hits - most, other_size) <= ATTAINABLE


def _log_choose(n: int, k: Integers) -> Numbers:
    inside = (k >= 0) & (k <= n)
    safe = np.where(inside, k, 0)
    logs = special.gammaln(n + 1) - special.gammaln(safe + 1) - special.gammaln(n - safe + 1)
    return np.where(inside, logs, -np.inf)


def normal_above(z: float) -> float:
    """P(Z >= z) of the standard normal distribution."""
    return float(max(special.ndtr(-z), SMALLEST)) if math.isfinite(z) else 1.0


def ranks(values: Numbers) -> Numbers:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[inverse], dtype=np.float64)


def stratified_scores(values: Numbers, strata: Integers) -> Numbers:
    """Ranks within each stratum, centred and divided by the stratum's size + 1 (van Elteren 1960).

    For yes-or-no values the test on them is that of Cochran, Mantel and Haenszel.
    """
    scores = np.zeros(len(values))
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        size = len(inside)
        scores[inside] = (ranks(values[inside]) - (size + 1) / 2.0) / (size + 1)
    return scores


def stratified_z(scores: Numbers, strata: Integers, group: NDArray[np.bool_]) -> float:
    """How far the group's scores lie above the others', in standard deviations; 0 where no stratum holds both."""
    total, variance = 0.0, 0.0
    for stratum in np.unique(strata):
        inside = strata == stratum
        mine, scored = group[inside], scores[inside]
        size, chosen = len(scored), int(mine.sum())
        if size < 2 or chosen in (0, size):
            continue
        mean = float(scored.mean())
        total += float(scored[mine].sum()) - chosen * mean
        variance += float(((scored - mean) ** 2).sum()) * chosen * (size - chosen) / (size * (size - 1))
    return total / math.sqrt(variance) if variance > 0 else 0.0


class Levels:
    """What the levels of some factors (hours, kinds of day) explain of values, one for each run.

    Least squares on an indicator for each level, by sums over the levels: with a column for each indicator it would
    take a hundred times as long.
    """

    def __init__(self, *factors: Numbers) -> None:
        self._codes = [np.unique(factor, return_inverse=True)[1] for factor in factors]
        self._counts = [int(codes.max()) + 1 for codes in self._codes]
        sizes, directions = np.linalg.eigh(self._products())
        kept = sizes > sizes[-1] * 1e-9
        self._inverse = (directions[:, kept] / sizes[kept]) @ directions[:, kept].T
        self.dimensions = int(kept.sum())
        """Of what they can explain; a constant among it."""

    def unexplained(self, values: Numbers) -> Numbers:
        """What is left of the values when all that the levels explain is taken away."""
        sums = [
            np.bincount(codes, weights=values, minlength=count)
            for codes, count in zip(self._codes, self._counts, strict=True)
        ]
        effects = np.split(self._inverse @ np.concatenate(sums), np.cumsum(self._counts)[:-1])
        explained = [effect[codes] for effect, codes in zip(effects, self._codes, strict=True)]
        return np.asarray(values - np.sum(explained, axis=0), dtype=np.float64)

    def _products(self) -> Numbers:
        """How many runs each two levels share."""
        pairs = list(zip(self._codes, self._counts, strict=True))
        rows = [
            [np.bincount(one * other_count + other, minlength=count * other_count).reshape(count, other_count)
             for other, other_count in pairs]
            for one, count in pairs
        ]  # fmt: skip
        return np.block(rows).astype(np.float64)


def partial_z(residual: Numbers, regressor: Numbers, levels: Levels) -> float:
    """z of the regressor's part in values of which `residual` is left, beside the levels (Frisch and Waugh 1933).

    On ranks it is the rank sum test, or Spearman's, adjusted for what the levels stand for. 0 where these explain
    the regressor itself.
    """
    left = levels.unexplained(regressor)
    square, size = float(left @ left), len(residual) - levels.dimensions
    spread = float(residual @ residual)
    whole = float(((regressor - regressor.mean()) ** 2).sum())
    if size < 2 or square <= COLLINEAR * whole or not spread:
        return 0.0
    return float(left @ residual) / math.sqrt(square * spread / size)


def rank_sum_above(values: Sequence[float] | Numbers, others: Sequence[float] | Numbers) -> float:
    """P-value of the rank sum test that `values` are greater than `others` (Wilcoxon 1945, Mann and Whitney 1947)."""
    both = np.concatenate([np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)])
    strata = np.zeros(len(both), dtype=np.int64)
    group = np.arange(len(both)) < len(values)
    return normal_above(stratified_z(stratified_scores(both, strata), strata, group))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """P-values as Benjamini and Hochberg (1995) adjust them for the number of hypotheses, in the same order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    result = [1.0] * len(p_values)
    smallest = 1.0
    for rank in range(len(order), 0, -1):
        smallest = min(smallest, p_values[order[rank - 1]] * len(order) / rank)
        result[order[rank - 1]] = smallest
    return result


def median(values: Any) -> float:
    """The median; NaN where there are no values."""
    return float(np.median(values)) if len(values) else math.nan
