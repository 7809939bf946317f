"""`peak_hours`: hours of the day in which load concentrates, and runs suffer or load alone is high.

Blocks of hours are found by a scan (Kulldorff 1997, on the circle of the day). What one day alone has is no habit: a
block has to stand without the day on which it is strongest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame, Mask
from stepwell_api.insight.significance import (
    Integers,
    Numbers,
    binomial_above,
    median,
    normal_above,
    stratified_scores,
    stratified_z,
)
from stepwell_api.insight.thresholds import Thresholds

LONGEST_BLOCK = 12
MOST_BLOCKS = 3
SCANNED = 24 * LONGEST_BLOCK
"""Blocks that the scan looks at: p-values are multiplied by it (Bonferroni)."""
PEAK_BASE = 1.25
"""Multiple of the mean hour that a peak which counts by its load alone has to exceed significantly."""
LIKELY = 1e-3


@dataclass(frozen=True, slots=True)
class _Load:
    """Runs by day and hour of the day, and which of these hours lie in the window that has data."""

    counts: Numbers
    """Days by 24."""
    covered: Numbers
    """1 where the hour lies between the first and the last run, else 0; days by 24."""

    def without_strongest_day(self, hours: Sequence[int]) -> "_Load":
        """Without the day on which these hours exceed the rest of the day most."""
        inside, exposure = self.counts[:, hours].sum(axis=1), self.covered[:, hours].sum(axis=1)
        totals, exposures = self.counts.sum(axis=1), self.covered.sum(axis=1)
        expected = totals * exposure / np.maximum(exposures, 1.0)
        kept = np.arange(len(totals)) != int(np.argmax(inside - expected))
        return _Load(self.counts[kept], self.covered[kept])

    def lift(self, hours: Sequence[int]) -> float:
        """Runs per hour in these hours against the mean hour."""
        exposure, total = float(self.covered[:, hours].sum()), float(self.counts.sum())
        mean = total / max(float(self.covered.sum()), 1.0)
        return float(self.counts[:, hours].sum()) / exposure / mean if exposure and mean else 0.0

    def p_above(self, hours: Sequence[int], lift: float) -> float:
        """That the hours hold more than `lift` times their share of the runs."""
        share = float(self.covered[:, hours].sum()) / max(float(self.covered.sum()), 1.0) * lift
        inside, total = float(self.counts[:, hours].sum()), float(self.counts.sum())
        return binomial_above(inside, total, share) if 0 < share < 1 and total else 1.0


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`peak_hours`: one finding for all blocks that stand out."""
    load = _load_of(frame)
    if load is None:
        return
    hours = _hours_above(load, limits)
    if not hours:
        yield _finding(frame, limits, load, sorted(_best_block(load, [])), is_told=False)
        return
    yield _finding(frame, limits, load, hours, is_told=True)


def _load_of(frame: Frame) -> _Load | None:
    """``None`` where the data covers less than two days."""
    hours = frame.sample.hours
    if not hours:
        return None
    at = np.array([int(hour.start.timestamp() // 3600) for hour in hours], dtype=np.int64)
    first_day, days = int(at[0]) // 24, int(at[-1]) // 24 - int(at[0]) // 24 + 1
    if days < 2:
        return None
    counts, covered = np.zeros(days * 24), np.zeros(days * 24)
    counts[at - first_day * 24] = [hour.executions for hour in hours]
    covered[int(at[0]) - first_day * 24 : int(at[-1]) - first_day * 24 + 1] = 1.0
    return _Load(counts.reshape(days, 24), covered.reshape(days, 24))


def _hours_above(load: _Load, limits: Thresholds) -> list[int]:
    found: list[int] = []
    for _ in range(MOST_BLOCKS):
        block = [hour for hour in _best_block(load, found) if hour not in found]
        if not block or load.lift(block) < limits.load_lift or _recurs(load, block) * SCANNED > LIKELY:
            break
        found += block
    return sorted(found)


def _recurs(load: _Load, hours: Sequence[int]) -> float:
    """P-value of the hours' load on the days that are left without the strongest."""
    rest = load.without_strongest_day(hours)
    return rest.p_above(hours, 1.0) if rest.counts.sum() else 1.0


def _best_block(load: _Load, taken: Sequence[int]) -> list[int]:
    """The block of neighbouring hours that is least likely by chance, outside of those taken."""
    counts, exposure = load.counts.sum(axis=0), load.covered.sum(axis=0)
    free = np.array([hour not in taken for hour in range(24)])
    counts, exposure = counts * free, exposure * free
    best: tuple[float, list[int]] = (-1.0, [])
    for first in range(24):
        for length in range(1, LONGEST_BLOCK + 1):
            block = [(first + offset) % 24 for offset in range(length)]
            if free[block].all():
                ratio = _likelihood(counts[block].sum(), exposure[block].sum(), counts.sum(), exposure.sum())
                if ratio > best[0] + 1e-9:
                    best = (ratio, block)
    return best[1]


def _likelihood(inside: float, exposure: float, total: float, whole: float) -> float:
    """Logarithm of the likelihood ratio of a higher rate inside; 0 where it is not higher."""
    if not exposure or exposure >= whole or not inside or inside / exposure <= total / whole:
        return 0.0
    expected = total * exposure / whole
    outside = total - inside
    rest = outside * float(np.log(outside / (total - expected))) if outside else 0.0
    return inside * float(np.log(inside / expected)) + rest


def _finding(frame: Frame, limits: Thresholds, load: _Load, hours: list[int], *, is_told: bool) -> Finding:
    inside = np.isin(frame.hour, hours)
    lift, p_load = load.lift(hours), min(_recurs(load, hours) * SCANNED, 1.0)
    p_slow, slowdown = _slower(frame, inside)
    p_fail, rate, other_rate = _failing(frame, inside)
    p_peak = min(load.without_strongest_day(hours).p_above(hours, PEAK_BASE) * SCANNED, 1.0)
    is_slow = slowdown >= limits.slowdown
    fails = rate - other_rate >= limits.rate_difference and rate >= limits.rate_ratio * other_rate
    ways = [(p_slow, is_slow), (p_fail, fails), (p_peak, lift > limits.peak_lift)]
    p_value, holds = min(((max(p, p_load), holds) for p, holds in ways), key=lambda way: (not way[1], way[0]))
    # Slow and failing hours are two ways out of three by which it can hold.
    return Finding(
        Kind.PEAK_HOURS,
        {"hours": hours},
        min(p_value * len(ways), 1.0),
        "binomial scan of load by hour of the day, without the strongest day; rank sum and Cochran-Mantel-Haenszel "
        "tests by day of durations and failures",
        is_told and holds and lift >= limits.load_lift,
        int(load.counts.sum()),
        {
            "load_lift": lift,
            "executions_in_hours": int(load.counts[:, hours].sum()),
            "duration_ratio": slowdown,
            "failure_rate_in_hours": rate,
            "failure_rate_otherwise": other_rate,
            "days": len(load.counts),
        },
        frozenset((Toll.TIME, Toll.FAILURES)) if is_slow or fails else frozenset((Toll.TIME,)),
        frame.at(inside),
        frame.newest(inside & (frame.bad if fails else frame.good)),
        _saving(frame, inside, slowdown, rate - other_rate),
    )


def _saving(frame: Frame, inside: Mask, slowdown: float, difference: float) -> Saving:
    known = inside & frame.good & np.isfinite(frame.duration_ms)
    spent = float((frame.duration_ms * frame.weight)[known].sum())
    weight = frame.weight_of(inside)
    return Saving(weight, spent * max(1.0 - 1.0 / max(slowdown, 1e-9), 0.0), 0.0, max(difference, 0.0) * weight)


def _slower(frame: Frame, inside: Mask) -> tuple[float, float]:
    """(p-value, ratio of medians) of successful runs in these hours against others of the same days."""
    known = frame.good & np.isfinite(frame.duration_ms)
    group, durations = inside[known], frame.duration_ms[known]
    if group.all() or not group.any():
        return 1.0, 1.0
    ratio = median(durations[group]) / max(median(durations[~group]), 1e-9)
    return _stratified(durations, frame.day[known], group), ratio


def _failing(frame: Frame, inside: Mask) -> tuple[float, float, float]:
    """(p-value, failure rate in these hours, otherwise), days compared with themselves."""
    known = frame.ended
    p_value = _stratified(frame.bad[known].astype(np.float64), frame.day[known], inside[known])
    return p_value, frame.rate(inside), frame.rate(~inside)


def _stratified(values: Numbers, strata: Integers, group: Mask) -> float:
    return normal_above(stratified_z(stratified_scores(values, strata), strata, group))
