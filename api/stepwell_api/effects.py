"""How large a difference is and how sure: intervals and tests for rates, ratios, trends and durations. Pure.

In plain Python: every question asks a few hundred of them at most.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Z_95: Final = 1.959963984540054
MANY: Final = 1_000
"""Expected in each cell of a table, from which on the normal approximation is as good."""
NEGLIGIBLE: Final = 1e-14
"""A term that adds less than this share of the sum ends a series of falling terms."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval; ``None`` for an open end."""

    low: float | None
    high: float | None


def two_sided(z: float) -> float:
    """P-value of a standard normal deviate."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def wilson(hits: int, size: int) -> tuple[float, float]:
    """Interval of a rate (Wilson 1927)."""
    if not size:
        return 0.0, 1.0
    share, square = hits / size, Z_95 * Z_95
    middle = (share + square / (2 * size)) / (1 + square / size)
    half = Z_95 / (1 + square / size) * math.sqrt(share * (1 - share) / size + square / (4 * size * size))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def rate_difference(hits: int, size: int, base_hits: int, base_size: int) -> Interval:
    """Interval of a rate less a base rate (Newcombe 1998, method 10)."""
    rate, base = hits / size, base_hits / base_size
    (low, high), (base_low, base_high) = wilson(hits, size), wilson(base_hits, base_size)
    difference = rate - base
    return Interval(
        difference - math.hypot(rate - low, base_high - base), difference + math.hypot(high - rate, base - base_low)
    )


def rate_p_value(hits: int, size: int, base_hits: int, base_size: int) -> float:
    """Two-sided: twice the smaller tail of Fisher's exact test (Fisher 1935); of many, its normal approximation."""
    total, found = size + base_size, hits + base_hits
    if min(found, total - found) * min(size, base_size) > MANY * total:
        rate = found / total
        spread = math.sqrt(rate * (1 - rate) * (1 / size + 1 / base_size))
        return two_sided((hits / size - base_hits / base_size) / spread)
    more = fisher_greater(hits, size, base_hits, base_size)
    fewer = fisher_greater(base_hits, base_size, hits, size)
    return min(2 * min(more, fewer), 1.0)


def fisher_greater(hits: int, size: int, base_hits: int, base_size: int) -> float:
    """One-sided: that the rate is greater than the base rate, given how many hits there are in all."""
    total, drawn = size + base_size, hits + base_hits
    log_all = _log_choose(total, drawn)
    found = 0.0
    for k in range(hits, min(size, drawn) + 1):
        if drawn - k > base_size:
            continue
        term = math.exp(_log_choose(size, k) + _log_choose(base_size, drawn - k) - log_all)
        found += term
        if term < NEGLIGIBLE * found and k > drawn * size / total:
            break
    return min(found, 1.0)


def ratio_interval(hits: int, size: int, base_hits: int, base_size: int) -> Interval:
    """Interval of the ratio of two rates (Katz et al. 1978), open above where the base has no hits."""
    ratio = ((hits + 0.5) / (size + 0.5)) / ((base_hits + 0.5) / (base_size + 0.5))
    spread = math.sqrt(1 / (hits + 0.5) - 1 / (size + 0.5) + 1 / (base_hits + 0.5) - 1 / (base_size + 0.5))
    return Interval(ratio * math.exp(-Z_95 * spread), ratio * math.exp(Z_95 * spread) if base_hits else None)


def trend_z(hits: Sequence[int], sizes: Sequence[int]) -> float:
    """Whether a rate rises (above 0) or falls over equally long times (Cochran 1954, Armitage 1955)."""
    total, hit = sum(sizes), sum(hits)
    if not total or hit in (0, total):
        return 0.0
    rate = hit / total
    mean = math.fsum(at * size for at, size in enumerate(sizes)) / total
    score = math.fsum(
        (at - mean) * (count - size * rate) for at, (count, size) in enumerate(zip(hits, sizes, strict=True))
    )
    spread = rate * (1 - rate) * math.fsum(size * (at - mean) ** 2 for at, size in enumerate(sizes))
    return score / math.sqrt(spread) if spread > 0 else 0.0


def adjusted(p_values: Sequence[float]) -> list[float]:
    """P-values as Benjamini and Hochberg (1995) adjust them for how many there are, in the same order."""
    smallest, found = 1.0, [1.0] * len(p_values)
    for rank, at in sorted(enumerate(sorted(range(len(p_values)), key=p_values.__getitem__), 1), reverse=True):
        smallest = min(smallest, p_values[at] * len(p_values) / rank)
        found[at] = smallest
    return found


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
