"""Finds where a series of runs shifted up: at a version, or at a point in time.

Runs are compared within the same part of the day and kind of day, so that neither the hours nor the week look like a
shift. One that the window shows on days of one kind alone cannot be told from the week, and is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from stepwell_api.insight.frame import Mask
from stepwell_api.insight.significance import Integers, Numbers, normal_above, stratified_scores, stratified_z

HOUR_S, DAY_S = 3_600.0, 86_400.0
SPLITS = 60
"""Points in time that are tried."""
FINE_FROM = 1_000
"""Runs from which on each hour of the day is compared with itself, instead of blocks of four hours."""
WEEKS_FROM_DAYS = 14.0
"""Days of data from which on each day of the week is compared with itself, instead of weekends with weekends."""
VERSION_FIT = 0.8
"""A version explains a shift if it does so at least as well, by this factor, as the best point in time."""
LAST_PART = 0.3
"""Part of the runs after the shift that shows whether it still holds."""
MIN_LAST = 10


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each run, in order of time."""

    start_s: Numbers
    values: Numbers
    versions: Sequence[str | None]
    stop_s: float
    """The end of the window's data."""

    @property
    def span_days(self) -> float:
        """From the first run to the last."""
        return float(self.start_s[-1] - self.start_s[0]) / DAY_S if len(self.start_s) else 0.0


@dataclass(frozen=True, slots=True)
class Shift:
    """A split of the series, and how clearly the part after it lies above the part before."""

    since_s: float
    version: str | None
    after: Mask
    before: Mask
    z: float
    p_value: float
    still_holds: float
    """z of the last part of the runs after it against those before."""
    last: Mask
    """That last part."""
    days: float
    """How long it has lasted."""

    @property
    def since(self) -> datetime:
        """The first run after the shift."""
        return datetime.fromtimestamp(self.since_s, UTC)


def shifts_of(series: Series, *, min_group: int) -> Iterator[Shift]:
    """Every version against the one before, and the best point in time; the latter alone if no version explains it."""
    if len(series.values) < 2 * min_group:
        return
    strata = strata_of(series.start_s)
    scores = stratified_scores(series.values, strata)
    in_time = _best_split(series, scores, strata, min_group)
    by_version = [_version_shift(series, version, before, min_group) for version, before in _releases(series)]
    released = [shift for shift in by_version if shift is not None]
    if in_time is None:
        yield from released
        return
    explained = [shift for shift in released if _fit(scores, shift) >= VERSION_FIT * _fit(scores, in_time)]
    # A version that explains less than a point in time only shares some of the runs with it.
    yield from explained or [in_time]


def strata_of(start_s: Numbers) -> Integers:
    """A number for each combination of kind of day and part of the day."""
    day = start_s // DAY_S
    weekday = (day + 3) % 7
    span_days = float(start_s[-1] - start_s[0]) / DAY_S if len(start_s) else 0.0
    kind = weekday if span_days >= WEEKS_FROM_DAYS else (weekday >= 5)
    hour = start_s // HOUR_S % 24
    part = hour if len(start_s) >= FINE_FROM else hour // 4
    return np.asarray(kind * 24 + part, dtype=np.int64)


def _best_split(series: Series, scores: Numbers, strata: Integers, min_group: int) -> Shift | None:
    candidates = _candidates(series, min_group)
    tried = [(stratified_z(scores, strata, series.start_s >= at), at) for at in candidates]
    if not tried:
        return None
    z, at = max(tried)
    return _shift(series, at, None, series.start_s < at, series.start_s >= at, z, len(tried), strata)


def _candidates(series: Series, min_group: int) -> list[float]:
    size = len(series.start_s)
    steps = np.unique(np.linspace(min_group, size - min_group, SPLITS).astype(int))
    return [float(series.start_s[i]) for i in steps if min_group <= i <= size - min_group]


def _releases(series: Series) -> Iterator[tuple[str, Mask]]:
    """Each version but the first, with the runs of the version before it."""
    names = np.array(["" if version is None else version for version in series.versions])
    known = sorted({version for version in series.versions if version})
    first = {version: float(np.quantile(series.start_s[names == version], 0.05)) for version in known}
    ordered = sorted(known, key=lambda version: (first[version], version))
    for at in range(1, len(ordered)):
        yield ordered[at], np.isin(names, ordered[:at])


def _version_shift(series: Series, version: str, before: Mask, min_group: int) -> Shift | None:
    after = ~before & np.array([bool(name) for name in series.versions])
    mine = np.array([name == version for name in series.versions])
    if min(int(before.sum()), int(mine.sum())) < min_group:
        return None
    chosen = before | after
    strata = strata_of(series.start_s)
    scores = np.zeros(len(series.values))
    scores[chosen] = stratified_scores(series.values[chosen], strata[chosen])
    z = stratified_z(scores[chosen], strata[chosen], after[chosen])
    if not _overlaps(strata, before, after):
        # The release changed with the kind of day; the version itself is what tells the two apart.
        strata = np.asarray(series.start_s // HOUR_S % 24 // 4, dtype=np.int64)
        z = stratified_z(stratified_scores(series.values[chosen], strata[chosen]), strata[chosen], after[chosen])
    return _shift(series, float(series.start_s[mine].min()), version, before, after, z, 1, strata)


def _overlaps(strata: Integers, before: Mask, after: Mask) -> bool:
    shared = np.isin(strata, np.intersect1d(strata[before], strata[after]))
    return bool(shared[after].sum() >= 0.5 * after.sum())


def _shift(
    series: Series,
    since_s: float,
    version: str | None,
    before: Mask,
    after: Mask,
    z: float,
    tried: int,
    strata: Integers,
) -> Shift:
    last = _last_part(series, after)
    chosen = before | last
    still = stratified_z(stratified_scores(series.values[chosen], strata[chosen]), strata[chosen], last[chosen])
    return Shift(
        since_s,
        version,
        after,
        before,
        z,
        min(normal_above(z) * tried, 1.0),
        still,
        last,
        max(series.stop_s - since_s, 0.0) / DAY_S,
    )


def _last_part(series: Series, after: Mask) -> Mask:
    """The last runs after the shift: a third of them, at least a few, and no less than the last day's share."""
    at = np.flatnonzero(after)
    count = min(len(at), max(MIN_LAST, int(len(at) * LAST_PART)))
    last = np.zeros(len(series.values), dtype=np.bool_)
    last[at[len(at) - count :]] = True
    return last


def _fit(scores: Numbers, shift: Shift) -> float:
    """The share of the scores' variance that the split explains."""
    chosen = shift.before | shift.after
    mine, theirs = scores[shift.after], scores[shift.before]
    total = float(((scores[chosen] - scores[chosen].mean()) ** 2).sum())
    gap = float(mine.mean() - theirs.mean())
    if gap <= 0 or not total:
        return 0.0
    return len(mine) * len(theirs) / (len(mine) + len(theirs)) * gap**2 / total
