"""`underperforming_path`: complete paths whose runs fail, or cost, more than those on the other paths.

Loops are collapsed without their count, since one round more is no other way to do it. A run that was cut short by its
failure belongs to the path that it was on as far as that can be told: the only complete one that begins like it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame, Mask, RunFacts
from stepwell_api.insight.sample import RunRecord, StepRecord
from stepwell_api.insight.significance import Numbers, can_show, fisher_greater, rank_sum_above
from stepwell_api.insight.thresholds import Thresholds
from stepwell_storage.fold.path import LOGICAL_ROLES

MAX_LOOP = 8
MAX_NAMES = 400
MAX_STEPS = 20
"""Steps that part paths of which is asked, the clearest ones."""
ALIKE = 0.01
"""P-value of failing more than the other runs with a step, from which on a path fares as these do."""

Names = tuple[str, ...]


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """One finding for failures and one for cost, for each path that enough runs take, and each step that parts paths.

    Of several paths that fare alike for a step that they share, one is told.
    """
    taken = _Taken.of(frame)
    told: list[tuple[Names, Finding]] = []
    for is_of_step, names, group, others in (*_by_step(taken, limits), *_by_path(taken, limits)):
        target = {"execution_path": _stored_path(frame, taken.by_path[names])}
        alone = frame.weight_of(frame.mask({i for i in range(len(frame.runs)) if _is_on(frame.runs[i], target)}))
        for finding in _findings(frame, limits, target, group, others):
            alike = [path for path, other in told if other.tolls == finding.tolls]
            is_news = finding.holds and not _is_shared(taken, limits, names, alike, finding.tolls)
            if is_of_step and told:
                is_news = is_news and _stands_alone(frame, limits, finding, told)
            figures = {**finding.figures, "executions_told_as_this_path": alone}
            yield replace(finding, holds=is_news, figures=figures)
            if is_news and finding.p_value <= limits.false_discovery_rate:
                told.append((names, finding))


@dataclass(frozen=True, slots=True)
class _Taken:
    """Which paths runs took."""

    frame: Frame
    names: Sequence[Names]
    """Of each run, as far as it got."""
    by_path: Mapping[Names, Sequence[int]]
    """Complete paths."""

    @classmethod
    def of(cls, frame: Frame) -> "_Taken":
        names = [logical_path(facts) if facts.run.steps else () for facts in frame.facts]
        return cls(frame, names, paths_of(frame, names))

    def having(self, step: str) -> Mask:
        """The ended runs that got to the step."""
        return self.frame.ended & self.frame.mask({i for i, names in enumerate(self.names) if step in names})


Groups = tuple[bool, Names, Mask, Mask]
"""Whether it is about a step, the path that is told, the runs on it, and the others."""


def _by_path(taken: _Taken, limits: Thresholds) -> Iterator[Groups]:
    """Each complete path against the others, the most frequent first."""
    frame, by_path = taken.frame, taken.by_path
    known = frame.mask({i for runs in by_path.values() for i in runs})
    for names in sorted(by_path, key=lambda names: (-len(by_path[names]), names)):
        group = frame.mask(set(by_path[names]))
        if _is_large(frame, limits, group, known & ~group):
            yield False, names, group, known & ~group


def _by_step(taken: _Taken, limits: Thresholds) -> Iterator[Groups]:
    """Each step that some paths have and others do not, where it is of several: runs that got to it against the rest.

    It shows what no single path does where each is taken by few; runs cut short count here that fit several paths.
    """
    frame, by_path = taken.frame, taken.by_path
    paths = Counter(step for names in by_path for step in set(names))
    found = []
    for step in sorted(step for step, count in paths.items() if 2 <= count < len(by_path)):
        group = taken.having(step)
        others = frame.ended & frame.with_steps & ~group
        if _is_large(frame, limits, group, others):
            usual = max((names for names in by_path if step in names), key=lambda names: (len(by_path[names]), names))
            p_value = fisher_greater(*frame.counts(group), *frame.counts(others))
            found.append((p_value, step, (True, usual, group, others)))
    yield from (groups for _, _, groups in sorted(found, key=lambda item: item[:2])[:MAX_STEPS])


def _is_large(frame: Frame, limits: Thresholds, group: Mask, others: Mask) -> bool:
    weight = frame.weight_of(group)
    return min(frame.counts(group)[1], frame.counts(others)[1]) >= limits.min_group and weight >= limits.path_share * (
        weight + frame.weight_of(others)
    )


def _stands_alone(frame: Frame, limits: Thresholds, finding: Finding, told: Sequence[tuple[Names, Finding]]) -> bool:
    """Whether the runs that got to a step fare worse without those that others were told of."""
    left = frame.ended & frame.with_steps & ~_within(frame, frozenset().union(*(other.runs for _, other in told)))
    group = left & _within(frame, finding.runs)
    if not _is_large(frame, limits, group, left & ~group):
        return False
    return _p_worse(frame, group, left & ~group, finding.tolls) <= ALIKE


def _within(frame: Frame, places: frozenset[int]) -> Mask:
    return np.array([place in places for place in frame.places], dtype=np.bool_)


def _findings(
    frame: Frame, limits: Thresholds, target: Mapping[str, str], group: Mask, others: Mask
) -> Iterator[Finding]:
    (hits, size), (other_hits, other_size) = frame.counts(group), frame.counts(others)
    if can_show(size, other_size, hits + other_hits):
        yield _failures(frame, limits, target, group, others)
    yield from _costs(frame, limits, target, group, others)


def _is_shared(taken: _Taken, limits: Thresholds, names: Names, told: Sequence[Names], tolls: frozenset[Toll]) -> bool:
    """Whether a path that was told already has a step in common with which all runs fare as those on this one."""
    frame, by_path = taken.frame, taken.by_path
    group = frame.mask(set(by_path[names]))
    steps = {name for path in told for name in set(path) & set(names)}
    for step in sorted(step for step in steps if not all(step in path for path in by_path)):
        having = frame.mask({i for path, runs in by_path.items() if step in path for i in runs}) & ~group
        if frame.counts(having)[1] >= limits.min_group and _p_worse(frame, group, having, tolls) > ALIKE:
            return True
    return False


def _p_worse(frame: Frame, group: Mask, others: Mask, tolls: frozenset[Toll]) -> float:
    if Toll.FAILURES in tolls:
        return fisher_greater(*frame.counts(group), *frame.counts(others))
    amounts, _ = _amounts(frame)
    known = np.isfinite(amounts) & frame.good
    return rank_sum_above(amounts[group & known], amounts[others & known])


def _amounts(frame: Frame) -> tuple[Numbers, str]:
    """What runs cost, in USD or else in tokens."""
    return (frame.cost_usd, "usd") if np.isfinite(frame.cost_usd).any() else (frame.tokens, "tokens")


def paths_of(frame: Frame, names: Sequence[Names]) -> Mapping[Names, Sequence[int]]:
    """Complete path → the runs on it, those that failed on the way included; of the runs' names as far as they got."""
    complete = Counter(names[i] for i in frame.indexes(frame.good) if names[i])
    begins: dict[Names, set[Names]] = defaultdict(set)
    for path in complete:
        for length in range(1, len(path) + 1):
            begins[path[:length]].add(path)
    found: dict[Names, list[int]] = defaultdict(list)
    for i in frame.indexes(frame.ended):
        path = names[i]
        if frame.good[i]:
            found[path].append(i) if path else None
        elif len(begins.get(path, ())) == 1:
            found[next(iter(begins[path]))].append(i)
    return found


def logical_path(facts: RunFacts) -> Names:
    """Names of the steps that carry meaning, each immediate repetition written once.

    Steps that ran side by side stand in the order of their names: which of them began first is chance.
    """
    steps = _in_order(facts.run.steps)
    names = [step.name for step in steps if step.role in LOGICAL_ROLES] or [step.name for step in steps]
    return _collapsed(names[:MAX_NAMES])


def _in_order(steps: Sequence[StepRecord]) -> list[StepRecord]:
    """The steps with those below each right after it; second reports of a call left out."""
    below: dict[int, list[int]] = defaultdict(list)
    for i, step in enumerate(steps):
        below[step.parent].append(i)
    found: list[StepRecord] = []
    waiting = _turns(steps, below.get(-1, ()))[::-1]
    while waiting:
        i = waiting.pop()
        if not steps[i].is_duplicate:
            found.append(steps[i])
        waiting += _turns(steps, below.get(i, ()))[::-1]
    return found


def _turns(steps: Sequence[StepRecord], siblings: Sequence[int]) -> list[int]:
    """Siblings in order of their start; those that overlap, in the order of their names."""
    found: list[int] = []
    group: list[int] = []
    until_ms = -math.inf
    for i in sorted(siblings, key=lambda i: (steps[i].start_ms, i)):
        if steps[i].start_ms >= until_ms:
            found += sorted(group, key=lambda i: steps[i].name)
            group = []
        group.append(i)
        end_ms = steps[i].end_ms
        until_ms = max(until_ms, math.inf if end_ms is None else end_ms)
    return found + sorted(group, key=lambda i: steps[i].name)


def _collapsed(names: Sequence[str]) -> Names:
    parts: list[str] = []
    for name in names:
        parts.append(name)
        _drop_repetition(parts)
    return tuple(parts)


def _drop_repetition(parts: list[str]) -> None:
    for length in range(1, min(MAX_LOOP, len(parts) // 2) + 1):
        if parts[-length:] == parts[-2 * length : -length]:
            del parts[-length:]
            return


def _is_on(run: RunRecord, target: Mapping[str, str]) -> bool:
    """Whether the run itself tells the path, loops counted and side by side as they began."""
    return run.path == target["execution_path"]


def _stored_path(frame: Frame, runs: Sequence[int]) -> str:
    """The path as executions tell it, of most of the successful runs."""
    counts = Counter(frame.runs[i].path for i in runs if frame.good[i])
    return min(counts, key=lambda path: (-counts[path], path)) if counts else ""


def _failures(frame: Frame, limits: Thresholds, target: Mapping[str, str], group: Mask, others: Mask) -> Finding:
    hits, size = frame.counts(group)
    other_hits, other_size = frame.counts(others)
    rate, other_rate = frame.rate(group), frame.rate(others)
    return Finding(
        Kind.UNDERPERFORMING_PATH,
        target,
        fisher_greater(hits, size, other_hits, other_size),
        "Fisher's exact test of failed runs on this path against those on the others",
        rate - other_rate >= limits.rate_difference and rate >= limits.rate_ratio * other_rate,
        size + other_size,
        {
            "executions_on_path": frame.weight_of(group),
            "failure_rate": rate,
            "failure_rate_of_other_paths": other_rate,
        },
        frozenset((Toll.FAILURES,)),
        frame.at(group),
        frame.newest(group & frame.bad),
        Saving(frame.weight_of(group), 0.0, 0.0, max(rate - other_rate, 0.0) * frame.weight_of(group)),
    )


def _costs(frame: Frame, limits: Thresholds, target: Mapping[str, str], group: Mask, others: Mask) -> Iterator[Finding]:
    amounts, unit = _amounts(frame)
    known = np.isfinite(amounts) & frame.good
    mine, theirs = amounts[group & known], amounts[others & known]
    if min(len(mine), len(theirs)) < limits.min_group or not theirs.mean():
        return
    ratio = float(mine.mean() / theirs.mean())
    excess = float(mine.mean() - theirs.mean()) * frame.weight_of(group) if unit == "usd" else 0.0
    yield Finding(
        Kind.UNDERPERFORMING_PATH,
        target,
        rank_sum_above(mine, theirs),
        "rank sum test of the cost of successful runs on this path against those on the others",
        ratio >= limits.path_cost_ratio,
        len(mine) + len(theirs),
        {f"mean_{unit}": float(mine.mean()), f"mean_{unit}_of_other_paths": float(theirs.mean()), "ratio": ratio},
        frozenset((Toll.TOKENS,)),
        frame.at(group),
        frame.newest(group & known),
        Saving(frame.weight_of(group), 0.0, max(excess, 0.0)),
    )
