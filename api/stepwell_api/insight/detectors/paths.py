"""`underperforming_path`: complete paths whose runs fail, or cost, more than those on the other paths.

Loops are collapsed without their count, since one round more is no other way to do it. A run that was cut short by its
failure belongs to the path that it was on as far as that can be told: the only complete one that begins like it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame, Mask, RunFacts
from stepwell_api.insight.significance import can_show, fisher_greater, rank_sum_above
from stepwell_api.insight.thresholds import Thresholds
from stepwell_storage.fold.path import LOGICAL_ROLES

MAX_LOOP = 8
MAX_NAMES = 400

Names = tuple[str, ...]


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """One finding for failures and one for cost, for each path that enough runs take."""
    by_path = paths_of(frame)
    known = frame.mask({i for runs in by_path.values() for i in runs})
    total = frame.weight_of(known)
    for names in sorted(by_path):
        group = frame.mask(set(by_path[names]))
        others = known & ~group
        if min(frame.counts(group)[1], frame.counts(others)[1]) < limits.min_group:
            continue
        target = {"execution_path": _stored_path(frame, by_path[names])}
        if frame.weight_of(group) < limits.path_share * total:
            continue
        (hits, size), (other_hits, other_size) = frame.counts(group), frame.counts(others)
        if can_show(size, other_size, hits + other_hits):
            yield _failures(frame, limits, target, group, others)
        yield from _costs(frame, limits, target, group, others)


def paths_of(frame: Frame) -> Mapping[Names, Sequence[int]]:
    """Complete path → the runs on it, those that failed on the way included."""
    names = [logical_path(facts) if facts.run.steps else () for facts in frame.facts]
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
    """Names of the steps that carry meaning, each immediate repetition written once."""
    steps = [step for step in facts.run.steps if not step.is_duplicate]
    names = [step.name for step in steps if step.role in LOGICAL_ROLES] or [step.name for step in steps]
    return _collapsed(names[:MAX_NAMES])


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
    amounts, unit = (frame.cost_usd, "usd") if np.isfinite(frame.cost_usd).any() else (frame.tokens, "tokens")
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
