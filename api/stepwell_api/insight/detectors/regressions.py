"""`latency_regression` and `failure_regression`: what got worse with a version, or at a point in time, and still is."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from stepwell_api.insight.detectors.shifts import Series, Shift, shifts_of
from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame, Mask
from stepwell_api.insight.significance import binomial_below, fisher_greater, median, rank_sum_above
from stepwell_api.insight.thresholds import Thresholds

STILL_CLEAR_Z = 1.0
STARTS_LATER = 0.01
"""P-value of the first runs after a shift being better than the rest from which on it began later."""
KEPT = 0.5
"""Part of the effect that the last runs still have to show."""


def find_slower(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`latency_regression`, from the durations of successful runs."""
    known = frame.good & np.isfinite(frame.duration_ms) & (frame.duration_ms > 0)
    for shift in shifts_of(
        _series(frame, known, np.log(np.where(known, frame.duration_ms, 1.0))), min_group=limits.min_group
    ):
        yield _slower(frame, limits, known, shift)


def find_failing(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`failure_regression`, from the outcomes of ended runs."""
    for shift in shifts_of(_series(frame, frame.ended, frame.bad.astype(np.float64)), min_group=limits.min_group):
        yield _failing(frame, limits, frame.ended, shift)


def _series(frame: Frame, known: Mask, values: Any) -> Series:
    versions = [frame.runs[i].version for i in frame.indexes(known)]
    stop_s = float(frame.start_s.max()) if len(frame.start_s) else 0.0
    return Series(frame.start_s[known], np.asarray(values, dtype=np.float64)[known], versions, stop_s)


def target_of(shift: Shift) -> dict[str, Any]:
    """The contract's: since when, and with which version where it is one."""
    return {"since": shift.since.isoformat().replace("+00:00", "Z"), "version": shift.version}


def holds_on(shift: Shift, limits: Thresholds) -> bool:
    """Whether it has lasted long enough and the last runs still show it."""
    return shift.days >= limits.min_regression_days and shift.still_holds >= STILL_CLEAR_Z


def _slower(frame: Frame, limits: Thresholds, known: Mask, shift: Shift) -> Finding:
    durations = frame.duration_ms[known]
    before, after = median(durations[shift.before]), median(durations[shift.after])
    last, later = median(durations[shift.last]), durations[shift.after & ~shift.first]
    starts_later = len(later) > 0 and rank_sum_above(later, durations[shift.first]) <= STARTS_LATER
    after_all = frame.part(known, shift.after)
    kept = last >= before * (1 + KEPT * (limits.slowdown - 1)) and not starts_later
    lasting = float(np.maximum(durations[shift.after] - before, 0.0).sum()) * frame.scale(after_all)
    return Finding(
        Kind.LATENCY_REGRESSION,
        target_of(shift),
        shift.p_value,
        "rank sum test, beside hours and kinds of day, of successful runs' durations after against before",
        after >= limits.slowdown * before and kept and holds_on(shift, limits),
        int(shift.before.sum() + shift.after.sum()),
        {
            "median_duration_ms_before": before,
            "median_duration_ms_after": after,
            "ratio": after / before,
            "lasted_days": shift.days,
            "median_duration_ms_at_end": last,
        },
        frozenset((Toll.TIME,)),
        frame.at(_touched(frame, shift, after_all)),
        frame.newest(after_all),
        Saving(frame.weight_of(after_all), lasting),
    )


def _failing(frame: Frame, limits: Thresholds, known: Mask, shift: Shift) -> Finding:
    before_all, after_all = frame.part(known, shift.before), frame.part(known, shift.after)
    before, after = frame.rate(before_all), frame.rate(after_all)
    last = frame.rate(frame.part(known, shift.last))
    hits, size = frame.counts(after_all)
    exact = fisher_greater(hits, size, *frame.counts(before_all))
    kept = last - before >= KEPT * limits.rate_difference and not _starts_later(frame, known, shift, after)
    return Finding(
        Kind.FAILURE_REGRESSION,
        target_of(shift),
        min(max(shift.p_value, exact), 1.0),
        "rank sum test, beside hours and kinds of day, and Fisher's exact test: failures after against before",
        after - before >= limits.rate_difference
        and after >= limits.rate_ratio * before
        and kept
        and holds_on(shift, limits),
        int(shift.before.sum() + shift.after.sum()),
        {
            "failure_rate_before": before,
            "failure_rate_after": after,
            "lasted_days": shift.days,
            "failure_rate_at_end": last,
        },
        frozenset((Toll.FAILURES,)),
        frame.at(_touched(frame, shift, after_all)),
        frame.newest(after_all & frame.bad),
        Saving(frame.weight_of(after_all), 0.0, 0.0, max(after - before, 0.0) * frame.weight_of(after_all)),
    )


def _starts_later(frame: Frame, known: Mask, shift: Shift, rate: float) -> bool:
    """Whether the first runs after the shift fail clearly less than the rest: it has not lasted as long as it seems."""
    hits, size = frame.counts(frame.part(known, shift.first))
    return binomial_below(hits, size, rate) <= STARTS_LATER


def _touched(frame: Frame, shift: Shift, after: Mask) -> Mask:
    """All runs since the shift, whatever their outcome; those of the version, and later ones, where it is one."""
    if shift.version is None:
        return np.asarray(frame.start_s >= shift.since_s)
    versions = {frame.runs[i].version for i in frame.indexes(after)}
    return np.array([run.version in versions for run in frame.runs], dtype=np.bool_)
