"""`failing_input`: keys and values of the runs' inputs that go with failure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame, Mask
from stepwell_api.insight.significance import can_show, fisher_greater
from stepwell_api.insight.thresholds import Thresholds

MAX_VALUES = 20
"""Most frequent values of one key that are tested; a key with more is an identifier or a text."""


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`failing_input`, for each key that some runs lack and each value that repeats."""
    told = np.array([run.inputs is not None for run in frame.runs], dtype=np.bool_) & frame.ended
    for key, values in sorted(_values(frame, told).items()):
        having = _having(frame, values)
        if _is_testable(frame, told & having, told & ~having, limits):
            yield _finding(frame, limits, key, None, told & having, told & ~having)
        for value, runs in _frequent(values, limits):
            group = told & frame.mask(runs)
            if _is_testable(frame, group, told & ~group, limits):
                yield _finding(frame, limits, key, value, group, told & ~group)


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
