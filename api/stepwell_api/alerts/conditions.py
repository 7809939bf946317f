"""When a rule holds: a pure function from figures in steps of time to the moments at which it fires.

A moment is a multiple of the rule's step since 1970. The figure at a moment is of the runs that started in the window
before it, whenever they are looked at; a rule fires at a moment when its condition has held at every moment since
`lasting` before it. So what is told now and what a preview tells of the past is worked out the same way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stepwell_api.alerts.rules import Comparator, Condition, Figure
from stepwell_storage.rollups import histogram

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
BUCKETS: Final = len(histogram.BOUNDS) + 1

_SHARES: Final = {
    Figure.P50_DURATION: 0.5,
    Figure.P95_DURATION: 0.95,
    Figure.P99_DURATION: 0.99,
    Figure.STEP_P50_DURATION: 0.5,
    Figure.STEP_P95_DURATION: 0.95,
}
MEASURES: Final = (
    "executions", "success", "failed", "timeout", "cancelled", "duration_count", "duration_ms", "prompt_tokens",
    "completion_tokens", "cost_usd", "cost_known", "credits", "api_calls",
)  # fmt: skip
"""What a series holds for each step of time."""
_AT: Final = {name: place for place, name in enumerate(MEASURES)}


@dataclass(frozen=True, slots=True)
class Series:
    """Sums of runs, or of a step's calls, in steps of time from `start` on."""

    start: datetime
    step: timedelta
    values: Numbers
    """A row for each step of time, a column for each of `MEASURES`."""
    durations: npt.NDArray[np.int64] | None
    """A histogram for each step of time; ``None`` where no percentile is asked for."""


@dataclass(frozen=True, slots=True)
class Points:
    """What a rule sees at moments one after the other."""

    times: Sequence[datetime]
    values: Numbers
    """Of the figure; not a number where it is unknown."""
    samples: Numbers
    before: Numbers
    """The figure in the window before each."""
    holds: Flags
    fires: Flags


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of moments at which a rule fires."""

    holds_since: datetime
    """The first moment at which its condition held."""
    fired_at: datetime
    ended_at: datetime | None
    """The first moment at which it no longer fires; ``None`` where it does to the end."""
    place: int
    """Of `fired_at` among the points."""
    worst: int
    """Of the moment at which the figure was farthest from where it should be."""


def is_percentile(figure: Figure) -> bool:
    """Whether a figure takes histograms."""
    return figure in _SHARES


def floor(time: datetime, step: timedelta) -> datetime:
    """The last moment up to the time."""
    return EPOCH + (time - EPOCH) // step * step


def needed_from(condition: Condition, first: datetime) -> datetime:
    """From when on a series has to be known to tell what happens from the moment `first` on."""
    return first - condition.lasting - condition.window * 2


def points_of(condition: Condition, series: Series, first: datetime, last: datetime) -> Points:
    """What the rule sees from the moment `first` to `last`; both are moments, and the series covers what they need."""
    step = condition.step
    earliest = first - condition.lasting
    times = [earliest + step * number for number in range((last - earliest) // step + 1)]
    values, samples = _windows(condition, series, times, timedelta(0))
    before, samples_before = _windows(condition, series, times, condition.window)
    known = np.isfinite(values) & (samples >= condition.min_samples)
    if condition.is_relative:
        known &= np.isfinite(before) & (samples_before >= condition.min_samples)
    holds = known & _compared(condition, values, before)
    fires = _lasting(holds, condition.lasting // step)
    kept = slice(condition.lasting // step, None)
    return Points(times[kept], values[kept], samples[kept], before[kept], holds[kept], fires[kept])


def episodes(condition: Condition, points: Points) -> list[Episode]:
    """The stretches at which the rule fires, in order."""
    changes = np.flatnonzero(np.diff(np.concatenate(([False], points.fires, [False])).astype(np.int8)))
    found = []
    for begin, end in zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True):
        held = points.values[begin:end]
        falls = condition.comparison in (Comparator.BELOW, Comparator.FALLS_BY)
        worst = begin + int(np.nanargmin(held) if falls else np.nanargmax(held))
        fired_at = points.times[begin]
        ended_at = points.times[end] if end < len(points.times) else None
        found.append(Episode(fired_at - condition.lasting, fired_at, ended_at, begin, worst))
    return found


def _compared(condition: Condition, values: Numbers, before: Numbers) -> Flags:
    limit: Numbers | float = condition.threshold
    if condition.is_relative:
        sign = 1.0 if condition.comparison is Comparator.RISES_BY else -1.0
        limit = before * (1.0 + sign * condition.threshold)
    with np.errstate(invalid="ignore"):
        if condition.comparison is Comparator.ABOVE:
            return np.asarray(values > limit, dtype=np.bool_)
        if condition.comparison is Comparator.BELOW:
            return np.asarray(values < limit, dtype=np.bool_)
        crossed = values >= limit if condition.comparison is Comparator.RISES_BY else values <= limit
        return np.asarray(np.logical_and(crossed, values != before), dtype=np.bool_)


def _lasting(holds: Flags, moments: int) -> Flags:
    """Where it has held for so many moments before, too."""
    if not moments:
        return holds
    counts = np.concatenate(([0], np.cumsum(holds)))
    places = np.arange(len(holds))
    lowest = np.maximum(places - moments, 0)
    held = counts[places + 1] - counts[lowest] == moments + 1
    return np.asarray((places >= moments) & held, dtype=np.bool_)


def _windows(
    condition: Condition, series: Series, times: Sequence[datetime], shift: timedelta
) -> tuple[Numbers, Numbers]:
    """(the figure, how many it is of) in the window before each time, or `shift` earlier."""
    length = condition.window // series.step
    ends = [(time - shift - series.start) // series.step for time in times]
    sums = {name: _sums(series.values[:, place], ends, length) for name, place in _AT.items()}
    figure = condition.figure
    if figure in _SHARES:
        assert series.durations is not None
        return _percentiles(series.durations, ends, length, _SHARES[figure]), sums["duration_count"]
    value, samples = _FIGURES[figure](sums)
    return value, samples


def _sums(column: Numbers, ends: Sequence[int], length: int) -> Numbers:
    """Each added up anew: a running sum of amounts of very different sizes would not be exact."""
    return np.array([column[max(end - length, 0) : max(end, 0)].sum() for end in ends], dtype=np.float64)


def _percentiles(counts: npt.NDArray[np.int64], ends: Sequence[int], length: int, share: float) -> Numbers:
    total = np.concatenate((np.zeros((1, counts.shape[1]), dtype=np.int64), np.cumsum(counts, axis=0)))
    found = []
    for end in ends:
        held = total[max(end, 0)] - total[max(end - length, 0)]
        told = histogram.percentiles([0, *held.tolist()], (share,))[0] if held.any() else None
        found.append(np.nan if told is None else told)
    return np.array(found, dtype=np.float64)


Sums = dict[str, Numbers]


def _ratio(above: Numbers, below: Numbers) -> Numbers:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _ended(sums: Sums) -> Numbers:
    return sums["success"] + sums["failed"] + sums["timeout"]


def _bad(sums: Sums) -> Numbers:
    return sums["failed"] + sums["timeout"]


def _calls(sums: Sums) -> Numbers:
    return _ended(sums) + sums["cancelled"]


def _tokens(sums: Sums) -> Numbers:
    return sums["prompt_tokens"] + sums["completion_tokens"]


_FIGURES: Final[dict[Figure, Callable[[Sums], tuple[Any, Any]]]] = {
    Figure.EXECUTIONS: lambda s: (s["executions"], s["executions"]),
    Figure.SUCCESS_RATE: lambda s: (_ratio(s["success"], _ended(s)), _ended(s)),
    Figure.FAILURE_RATE: lambda s: (_ratio(_bad(s), _ended(s)), _ended(s)),
    Figure.FAILURES: lambda s: (s["failed"], s["executions"]),
    Figure.TIMEOUTS: lambda s: (s["timeout"], s["executions"]),
    Figure.AVG_DURATION: lambda s: (_ratio(s["duration_ms"], s["duration_count"]), s["duration_count"]),
    Figure.COST: lambda s: (s["cost_usd"], s["executions"]),
    Figure.COST_PER_EXECUTION: lambda s: (_ratio(s["cost_usd"], s["cost_known"]), s["cost_known"]),
    Figure.TOKENS: lambda s: (_tokens(s), s["executions"]),
    Figure.TOKENS_PER_EXECUTION: lambda s: (_ratio(_tokens(s), s["executions"]), s["executions"]),
    Figure.CREDITS: lambda s: (s["credits"], s["executions"]),
    Figure.API_CALLS: lambda s: (s["api_calls"], s["executions"]),
    Figure.STEP_CALLS: lambda s: (_calls(s), _calls(s)),
    Figure.STEP_FAILURES: lambda s: (_bad(s), _calls(s)),
    Figure.STEP_FAILURE_RATE: lambda s: (_ratio(_bad(s), _ended(s)), _ended(s)),
    Figure.STEP_COST: lambda s: (s["cost_usd"], _calls(s)),
    Figure.STEP_TOKENS: lambda s: (_tokens(s), _calls(s)),
}
"""Figure → (value, how many runs or calls it is of). Rates are of those that ended and were not cancelled."""
