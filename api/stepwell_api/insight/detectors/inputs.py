"""`failing_input`: keys, values and ranges of numbers in the runs' inputs that go with failure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame, Mask
from stepwell_api.insight.inputs import number_of
from stepwell_api.insight.significance import Numbers, can_show, fisher_greater, ranks
from stepwell_api.insight.thresholds import Thresholds

MAX_VALUES = 20
"""Most frequent values of one key that are tested; a key with more is an identifier or a text."""
MIN_NUMBERS = 5
"""Different numbers of one key from which on ranges of them are looked at."""
MOSTLY = 0.8
"""Share of a key's values that have to be numbers."""
CUTS = 19
"""Places, evenly over the runs, at which a range of numbers may begin or end."""
COUNTS_ON = 0.5
"""Rank correlation with time from which on a number is a clock or a counter, and says when and not what."""


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`failing_input`, for each key that some runs lack, each value that repeats, and each key with numbers."""
    told = np.array([run.inputs is not None for run in frame.runs], dtype=np.bool_) & frame.ended
    for key, values in sorted(_values(frame, told).items()):
        having = told & _having(frame, values)
        lacking = told & ~having
        if _is_testable(frame, having, lacking, limits):
            yield _finding(frame, limits, key, None, having, lacking)
            missing = _finding(frame, limits, key, None, lacking, having)
            yield replace(missing, figures={**missing.figures, "is_missing": True})
        for value, runs in _frequent(values, limits):
            group = told & frame.mask(runs)
            if _is_testable(frame, group, told & ~group, limits):
                yield _finding(frame, limits, key, value, group, told & ~group)
        yield from _ranges(frame, limits, key, values, told)


def _ranges(
    frame: Frame, limits: Thresholds, key: str, values: Mapping[str, set[int]], told: Mask
) -> Iterator[Finding]:
    """The range of a key's numbers that does worst, of all that begin or end at one of some places; at most one."""
    numbers = _numbers(frame, values)
    known = told & np.isfinite(numbers)
    cuts = _cuts(numbers[known])
    if len(cuts) < MIN_NUMBERS - 1 or known.sum() < MOSTLY * (told & _having(frame, values)).sum():
        return
    if abs(_rank_correlation(numbers[known], frame.start_s[known])) >= COUNTS_ON:
        return
    found: list[Finding] = []
    for cut in cuts:
        above, below = known & (numbers >= cut), known & (numbers < cut)
        if _is_testable(frame, above, below, limits):
            found.append(_finding(frame, limits, key, f">= {_written(cut)}", above, below))
            found.append(_finding(frame, limits, key, f"< {_written(cut)}", below, above))
    if found:
        best = min(found, key=lambda finding: (finding.p_value, finding.key))
        yield replace(
            best,
            p_value=min(best.p_value * len(found), 1.0),
            test=f"{best.test}, times the number of ranges tried",
            figures={**best.figures, "ranges_tried": len(found)},
        )


def _numbers(frame: Frame, values: Mapping[str, set[int]]) -> Numbers:
    """The key's number in each run; NaN where it has none."""
    numbers = np.full(len(frame.runs), np.nan)
    for value, runs in values.items():
        numbers[sorted(runs)] = number_of(value)
    return numbers


def _written(number: float) -> str:
    return repr(number).removesuffix(".0")


def _cuts(numbers: Numbers) -> list[float]:
    """Where the upper part of the numbers may begin."""
    if not len(numbers):
        return []
    shares = np.linspace(0, 1, CUTS + 2)[1:-1]
    places = np.unique(np.quantile(numbers, shares, method="higher"))
    return [float(cut) for cut in places if cut > numbers.min()]


def _rank_correlation(values: Numbers, others: Numbers) -> float:
    """Spearman's; 0 where one of both is constant."""
    one, other = ranks(values), ranks(others)
    spread = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean()) / spread if spread else 0.0


def _values(frame: Frame, told: Mask) -> Mapping[str, Mapping[str, set[int]]]:
    """Key → value → runs."""
    found: dict[str, dict[str, set[int]]] = defaultdict(dict)
    for i in frame.indexes(told):
        for key, value in (frame.runs[i].inputs or {}).items():
            found[key].setdefault(value, set()).add(i)
    return found


def _having(frame: Frame, values: Mapping[str, set[int]]) -> Mask:
    return frame.mask(set().union(*values.values()))


def _frequent(values: Mapping[str, set[int]], limits: Thresholds) -> list[tuple[str, set[int]]]:
    """The values that enough runs share, the most frequent first; the empty text stands for values not kept."""
    counts = Counter({value: len(runs) for value, runs in values.items() if value and len(runs) >= limits.min_group})
    names = sorted(counts, key=lambda value: (-counts[value], value))[:MAX_VALUES]
    return [(name, values[name]) for name in names]


def _is_testable(frame: Frame, group: Mask, others: Mask, limits: Thresholds) -> bool:
    (hits, size), (other_hits, other_size) = frame.counts(group), frame.counts(others)
    return min(size, other_size) >= limits.min_group and can_show(size, other_size, hits + other_hits)


def _finding(frame: Frame, limits: Thresholds, key: str, value: str | None, group: Mask, others: Mask) -> Finding:
    hits, size = frame.counts(group)
    other_hits, other_size = frame.counts(others)
    rate, other_rate = frame.rate(group), frame.rate(others)
    return Finding(
        Kind.FAILING_INPUT,
        {"input_key": key, "input_value": value},
        fisher_greater(hits, size, other_hits, other_size),
        "Fisher's exact test of failed runs with this input against those without",
        rate - other_rate >= limits.rate_difference and rate >= limits.rate_ratio * other_rate,
        size + other_size,
        {
            "executions_with": frame.weight_of(group),
            "failure_rate_with": rate,
            "failure_rate_without": other_rate,
            "lift": rate / other_rate if other_rate else None,
        },
        frozenset((Toll.FAILURES,)),
        frame.at(group),
        frame.newest(group & frame.bad),
        Saving(frame.weight_of(group), 0.0, 0.0, max(rate - other_rate, 0.0) * frame.weight_of(group)),
    )
