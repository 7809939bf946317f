"""`timeout_risk`: steps whose ordinary calls come close to the time after which runs are given up.

The limit is learnt from the runs that timed out in the step; where they ended at all sorts of times there is none.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Call, Frame
from stepwell_api.insight.significance import Numbers, binomial_above
from stepwell_api.insight.thresholds import Thresholds
from stepwell_storage.model import Status

SLOW = 0.95
"""The quantile of completed calls that is compared with the limit."""
NEAR = 0.5
"""Of the limit: calls that take longer are counted by the test."""
SPREAD = 0.5
"""How far the middle half of the times at which runs were given up may spread, as a share of their median."""
MOSTLY = 0.5
"""Share of all timeouts that the step has."""


@dataclass(slots=True)
class _Calls:
    """One step's calls."""

    given_up: dict[int, float] = field(default_factory=dict)
    """Run that timed out in the step → how long the call had taken by then, ms."""
    completed: list[float] = field(default_factory=list)


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`timeout_risk`, for each step in which runs timed out."""
    timed_out = sum(1 for run in frame.runs if run.status is Status.TIMEOUT)
    if not timed_out:
        return
    steps = _calls(frame)
    for name in sorted(steps):
        found = steps[name]
        if found.given_up and len(found.completed) >= limits.min_group:
            yield _finding(frame, limits, name, found, timed_out)


def _calls(frame: Frame) -> dict[str, _Calls]:
    found: dict[str, _Calls] = defaultdict(_Calls)
    for i, facts in enumerate(frame.facts):
        last = _given_up(facts.calls, facts.run.duration_ms) if facts.run.status is Status.TIMEOUT else None
        for call in facts.calls:
            duration_ms = call.step.duration_ms
            if last is not None and call is last[0]:
                found[call.step.name].given_up[i] = last[1]
            elif duration_ms is not None and call.step.status is Status.SUCCESS and call.is_leaf:
                found[call.step.name].completed.append(duration_ms)
    return found


def _given_up(calls: Sequence[Call], duration_ms: float | None) -> tuple[Call, float] | None:
    """The call that the run timed out in, and its milliseconds; ``None`` where none was going on."""
    told = [call for call in calls if call.step.status is Status.TIMEOUT and call.failed]
    going_on = told or [call for call in calls if call.is_leaf and call.step.end_ms is None]
    if not going_on:
        failed = [call for call in calls if call.failed]
        going_on = failed or [call for call in calls if call.is_leaf]
        going_on = [max(going_on, key=lambda call: (call.step.end_ms or 0.0, call.index))] if going_on else []
        if going_on and not failed and not _reaches(going_on[0], duration_ms):
            return None
    if not going_on:
        return None
    call = max(going_on, key=lambda call: (call.step.start_ms, call.index))
    until = call.step.end_ms if call.step.end_ms is not None else duration_ms
    return None if until is None else (call, max(until - call.step.start_ms, 0.0))


def _reaches(call: Call, duration_ms: float | None) -> bool:
    """Whether the call went on to the run's end."""
    return duration_ms is not None and call.step.end_ms is not None and call.step.end_ms >= 0.98 * duration_ms


def _finding(frame: Frame, limits: Thresholds, name: str, found: _Calls, timed_out: int) -> Finding:
    given_up = np.array(list(found.given_up.values()))
    completed = np.array(found.completed)
    limit, spread = float(np.median(given_up)), _relative_spread(given_up)
    slow = float(np.quantile(completed, SLOW))
    near = int((completed >= NEAR * limit).sum())
    runs = frame.mask(set(found.given_up))
    return Finding(
        Kind.TIMEOUT_RISK,
        {"step_name": name},
        binomial_above(near, len(completed), limits.background_rate),
        "binomial test that more completed calls than a background rate take over half of the limit",
        len(given_up) >= limits.timeouts
        and len(given_up) >= MOSTLY * timed_out
        and spread <= SPREAD
        and limits.timeout_approach * limit <= slow <= 1.5 * limit,
        len(completed),
        {
            "limit_ms": limit,
            "p95_ms": slow,
            "timed_out_executions": frame.weight_of(runs),
            "share_of_limit": slow / limit if limit else None,
        },
        frozenset((Toll.FAILURES, Toll.TIME)),
        frame.at(runs),
        frame.newest(runs),
        Saving(frame.weight_of(runs), 0.0, 0.0, frame.weight_of(runs)),
    )


def _relative_spread(values: Numbers) -> float:
    lower, middle, upper = np.quantile(values, (0.25, 0.5, 0.75))
    return float((upper - lower) / middle) if middle else 0.0
