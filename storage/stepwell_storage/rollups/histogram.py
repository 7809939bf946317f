"""Histograms of durations that can be added: percentiles cannot be averaged, counts in fixed buckets can.

Buckets are logarithmic, `BUCKETS_A_DECADE` for each power of ten. A percentile read from them is each time the
geometric middle of the bucket that holds the value, so that it lies within `RELATIVE_ERROR` of the exact one.
In memory a histogram is a mapping from bucket to count; in the database an ``int[]`` whose first element is the first
bucket that holds anything, and the rest the counts from there on.
"""

import math
import operator
from bisect import bisect_right
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from itertools import accumulate, pairwise
from typing import Final

BUCKETS_A_DECADE: Final = 60
LOWEST_EXPONENT, HIGHEST_EXPONENT = -3, 9
"""For milliseconds: from a microsecond to 11.6 days; the outermost buckets hold what lies beyond."""

BOUNDS: Final = tuple(
    math.pow(10.0, step / BUCKETS_A_DECADE)
    for step in range(LOWEST_EXPONENT * BUCKETS_A_DECADE, HIGHEST_EXPONENT * BUCKETS_A_DECADE + 1)
)
"""Bucket ``i`` holds values from ``BOUNDS[i - 1]`` up to, but not at, ``BOUNDS[i]``."""

RELATIVE_ERROR: Final = math.pow(10.0, 0.5 / BUCKETS_A_DECADE) - 1
"""How far a percentile may lie from the exact one, as a fraction: 1.94 %."""

Histogram = Mapping[int, int]


def bucket_of(value: float) -> int:
    """The bucket that holds the value."""
    return bisect_right(BOUNDS, value)


def add(total: MutableMapping[int, int], other: Histogram, *, sign: int = 1) -> None:
    """Adds the counts of `other` to `total`; takes them away where `sign` is -1."""
    for bucket, count in other.items():
        total[bucket] = total.get(bucket, 0) + sign * count


def to_array(histogram: Histogram) -> list[int] | None:
    """As the database keeps it; ``None`` where it holds nothing."""
    held = [bucket for bucket, count in histogram.items() if count]
    if not held:
        return None
    first, last = min(held), max(held)
    return [first, *(histogram.get(bucket, 0) for bucket in range(first, last + 1))]


def from_array(array: Sequence[int] | None) -> dict[int, int]:
    """The reverse of `to_array`."""
    if not array:
        return {}
    return {bucket: count for bucket, count in enumerate(array[1:], array[0]) if count}


def merged(arrays: Iterable[Sequence[int] | None]) -> Sequence[int] | None:
    """The sum of histograms as the database keeps them, in the same form."""
    held = [array for array in arrays if array]
    if len(held) < 2:
        return held[0] if held else None
    first = min(array[0] for array in held)
    total = [0] * (max(array[0] + len(array) for array in held) - 1 - first)
    for array in held:
        start = array[0] - first
        stop = start + len(array) - 1
        total[start:stop] = map(operator.add, total[start:stop], array[1:])
    return [first, *total]


def percentiles(array: Sequence[int] | None, shares: Sequence[float]) -> list[float | None]:
    """The values below which these shares of the values lie, interpolated as SQL's ``percentile_cont`` does.

    Takes a histogram as the database keeps it. Within `RELATIVE_ERROR` of the exact ones for values inside the bounds;
    ``None`` for an empty histogram.
    """
    counts = list(accumulate(array[1:])) if array else []
    if not array or not counts or counts[-1] <= 0:
        return [None] * len(shares)
    return [_percentile(array[0], counts, share * (counts[-1] - 1)) for share in shares]


def _percentile(first: int, counts: Sequence[int], rank: float) -> float:
    """The value at a rank from 0; `counts` says how many values lie in each bucket from `first` on, or before it."""
    below, above = math.floor(rank), math.ceil(rank)
    lower = middle(first + bisect_right(counts, below))
    if above == below:
        return lower
    return lower + (middle(first + bisect_right(counts, above)) - lower) * (rank - below)


def middle(bucket: int) -> float:
    """The geometric middle of a bucket; 0 for what is shorter than all bounds, the last bound for what is longer."""
    return _MIDDLES[min(max(bucket, 0), len(BOUNDS))]


_MIDDLES: Final = (0.0, *(math.sqrt(below * above) for below, above in pairwise(BOUNDS)), BOUNDS[-1])
