"""Finds where a series of runs shifted up: at a version, or at a point in time.

Runs are compared beside what the hours of the day and the kinds of day explain, so that neither looks like a shift.
One that the window shows on days of one kind alone cannot be told from the week, and is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from stepwell_api.insight.frame import Mask
from stepwell_api.insight.significance import Levels, Numbers, normal_above, partial_z, ranks

HOUR_S, DAY_S = 3_600.0, 86_400.0
SPLITS = 30
"""Points in time that are tried."""
FINE_FROM = 1_000
"""Runs from which on each hour of the day is compared with itself, instead of blocks of four hours."""
WEEKS_FROM_DAYS = 14.0
"""Days of data from which on each day of the week is compared with itself, instead of weekends with weekends."""
VERSION_SLACK, VERSION_SLACK_SHARE = 10.0, 0.05
"""By how much a version may explain a shift worse than the best point in time and still be its cause, in z squared."""
SEASON_RATIO = 4.0
"""F statistic of the kinds of day up to which they do not matter to a series."""
MIXED = 0.25
"""Share of the runs on either side of a split that has to be of kinds of day of the other side."""
ALIKE = 1e-9
"""Part of a regressor's squares up to which it is nothing beside what explains it: rounding."""
BEGINS = 0.05
"""Quantile of its runs' starts at which a version counts as released: some runs try it out before."""
PART = 0.3
"""Part of the runs after the shift that shows whether it held from the start, and whether it still does."""
MIN_PART = 10


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
    first: Mask
    """The first part of the runs after it: what is short of a day looks longer where it is taken with runs before."""
    last: Mask
    """The last part."""
    days: float
    """How long it has lasted."""

    @property
    def since(self) -> datetime:
        """The first run after the shift."""
        return datetime.fromtimestamp(self.since_s, UTC)


class Season:
    """What hours and days explain of a series, so that a shift is not taken for them.

    Kinds of day are weekends and weekdays, or each day of the week where the series is long enough.
    """

    def __init__(self, start_s: Numbers, values: Numbers) -> None:
        hour = start_s // HOUR_S % 24
        part = hour if len(start_s) >= FINE_FROM else hour // 4
        weekday = (start_s // DAY_S + 3) % 7
        span_days = float(start_s[-1] - start_s[0]) / DAY_S
        self.kind: Numbers = weekday if span_days >= WEEKS_FROM_DAYS else np.asarray(weekday >= 5, dtype=np.float64)
        self.ranks = ranks(values)
        self.by_hour, self.by_day = Levels(part), Levels(part, self.kind)
        self._residuals = {
            False: self.by_hour.unexplained(self.ranks),
            True: self.by_day.unexplained(self.ranks),
        }

    def z(self, regressor: Numbers, *, with_days: bool) -> float:
        """How far values rise with the regressor, beside the hours, and the kinds of day where they matter."""
        return partial_z(self._residuals[with_days], regressor, self.by_day if with_days else self.by_hour)

    def is_free_of_days(self, regressor: Numbers) -> bool:
        """Whether kinds of day explain nothing beside the regressor, on enough runs to tell."""
        needed = self.by_day.dimensions - self.by_hour.dimensions
        gained, ratio = self._days_beside(regressor)
        return (
            gained == needed and ratio <= SEASON_RATIO and (not needed or self._is_mixed(regressor > regressor.mean()))
        )

    def needs_days(self, regressor: Numbers) -> bool:
        """Whether kinds of day clearly explain something beside the regressor."""
        return self._days_beside(regressor)[1] > SEASON_RATIO

    def _days_beside(self, regressor: Numbers) -> tuple[int, float]:
        """(dimensions, F statistic) of the kinds of day beside the hours and the regressor."""
        (left, size), (less, wider_size) = (
            self._beside(regressor, levels, self._residuals[with_days])
            for levels, with_days in ((self.by_hour, False), (self.by_day, True))
        )
        gained = wider_size - size
        if not gained:
            return 0, 0.0
        free = max(len(self.ranks) - wider_size, 1)
        return gained, (left - less) / gained / max(less / free, 1e-12)

    @staticmethod
    def _beside(regressor: Numbers, levels: Levels, residual: Numbers) -> tuple[float, int]:
        """(squares left beside the levels and the regressor, dimensions of both)."""
        own = levels.unexplained(regressor)
        square = float(own @ own)
        if square <= ALIKE * float(regressor @ regressor):
            return float(residual @ residual), levels.dimensions
        return float(residual @ residual) - float(own @ residual) ** 2 / square, levels.dimensions + 1

    def _is_mixed(self, after: Mask) -> bool:
        """Whether enough runs on either side are of a kind of day that the other side has as well."""
        shared = np.isin(self.kind, np.intersect1d(self.kind[after], self.kind[~after]))
        return all(bool(side.any() and shared[side].mean() >= MIXED) for side in (after, ~after))


def shifts_of(series: Series, *, min_group: int) -> Iterator[Shift]:
    """Every version that explains a shift as well as the best point in time; that one where none does.

    Beside hours alone where kinds of day do not matter, else beside both. Where the window cannot tell the two apart,
    a version can: releases do not follow the week.
    """
    if len(series.values) < 2 * min_group:
        return
    season = Season(series.start_s, series.values)
    for with_days in (False, True):
        in_time = _best_split(series, season, min_group, with_days=with_days)
        if in_time is None:
            return
        # Beside the same: else a version could not be compared with a point in time.
        releases = _releases(series, min_group)
        by_version = [_version_shift(series, *release, min_group, with_days=with_days) for release in releases]
        explained = [shift for shift in by_version if shift is not None and _is_as_good(shift, in_time)]
        told = [shift for shift in explained if with_days or not season.needs_days(shift.after.astype(np.float64))]
        if told or with_days or season.is_free_of_days(in_time.after.astype(np.float64)):
            # A version that explains less than a point in time only shares some of the runs with it.
            yield from told or [in_time]
            return


def _best_split(series: Series, season: Season, min_group: int, *, with_days: bool) -> Shift | None:
    """The clearest split; ``None`` where there are too few runs on either side of any."""
    candidates = _candidates(series, min_group)
    if not candidates:
        return None
    z, at = _clearest(series, season, candidates, with_days=with_days)
    _, at = _clearest(series, season, [at, *_between(series, candidates, at)], with_days=with_days)
    return _shift(series, at, None, series.start_s < at, series.start_s >= at, z, len(candidates))


def _clearest(series: Series, season: Season, candidates: Sequence[float], *, with_days: bool) -> tuple[float, float]:
    """(z, start) of the split that stands out most."""
    return max((season.z(_after(series, at), with_days=with_days), at) for at in candidates)


def _between(series: Series, candidates: Sequence[float], at: float) -> list[float]:
    """Starts of runs around a candidate, up to the candidates beside it: where exactly the shift lies."""
    place = candidates.index(at)
    lower, upper = candidates[max(place - 1, 0)], candidates[min(place + 1, len(candidates) - 1)]
    inside = series.start_s[(series.start_s > lower) & (series.start_s < upper)]
    return [float(start) for start in inside[:: max(len(inside) // SPLITS, 1)]]


def _after(series: Series, at: float) -> Numbers:
    return np.asarray(series.start_s >= at, dtype=np.float64)


def _candidates(series: Series, min_group: int) -> list[float]:
    """Starts of runs, evenly over the runs, with enough of them before and from there on."""
    size = len(series.start_s)
    steps = np.unique(np.linspace(min_group, size - min_group, SPLITS).astype(int))
    starts = sorted({float(series.start_s[i]) for i in steps if 0 <= i < size})
    before = np.searchsorted(series.start_s, starts)
    return [at for at, count in zip(starts, before, strict=True) if min_group <= count <= size - min_group]


def _releases(series: Series, min_group: int) -> Iterator[tuple[str, Mask]]:
    """Each version that came after others, with the runs of these; versions side by side from the start are none."""
    names = np.array(["" if version is None else version for version in series.versions])
    known = sorted({version for version in series.versions if version})
    first = {version: float(np.quantile(series.start_s[names == version], BEGINS)) for version in known}
    ordered = sorted(known, key=lambda version: (first[version], version))
    for at in range(1, len(ordered)):
        before = np.isin(names, ordered[:at])
        if int((before & (series.start_s < first[ordered[at]])).sum()) >= min_group:
            yield ordered[at], before


def _version_shift(series: Series, version: str, before: Mask, min_group: int, *, with_days: bool) -> Shift | None:
    after = ~before & np.array([bool(name) for name in series.versions])
    mine = np.array([name == version for name in series.versions])
    if min(int(before.sum()), int(mine.sum())) < min_group:
        return None
    z = _z_between(series, before, after, with_days=with_days)
    return _shift(series, float(series.start_s[mine].min()), version, before, after, z, 1)


def _z_between(series: Series, before: Mask, after: Mask, *, with_days: bool) -> float:
    """z of the runs after against those before."""
    chosen = before | after
    season = Season(series.start_s[chosen], series.values[chosen])
    regressor = np.asarray(after[chosen], dtype=np.float64)
    return season.z(regressor, with_days=with_days)


def _shift(
    series: Series, since_s: float, version: str | None, before: Mask, after: Mask, z: float, tried: int
) -> Shift:
    first, last = _ends(series, after)
    days = max(series.stop_s - since_s, 0.0) / DAY_S
    p_value = min(normal_above(z) * tried, 1.0)
    still = _z_between(series, before, last, with_days=False)
    return Shift(since_s, version, after, before, z, p_value, still, first, last, days)


def _ends(series: Series, after: Mask) -> tuple[Mask, Mask]:
    """The first and the last runs after the shift: a third of them each, and at least a few."""
    at = np.flatnonzero(after)
    count = min(len(at), max(MIN_PART, int(len(at) * PART)))
    first, last = np.zeros(len(series.values), dtype=np.bool_), np.zeros(len(series.values), dtype=np.bool_)
    first[at[:count]] = True
    last[at[len(at) - count :]] = True
    return first, last


def _is_as_good(release: Shift, in_time: Shift) -> bool:
    """Whether a version tells the runs apart as well as the best point in time, which was chosen among many.

    z squared is twice the gain in likelihood, so that a difference of it is a likelihood ratio test.
    """
    return release.z > 0 and in_time.z**2 - release.z**2 <= max(VERSION_SLACK, VERSION_SLACK_SHARE * in_time.z**2)
