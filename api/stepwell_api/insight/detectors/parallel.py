"""`parallelizable_steps`: neighbours that wait for each other although none uses another's output.

Dependence is read from recorded inputs and outputs: a step depends on an earlier one if words of its input were in the
other's output and nowhere before it. What model calls and decisions lead to depends on them by nature.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame, RunFacts
from stepwell_api.insight.sample import StepRecord
from stepwell_api.insight.significance import binomial_below
from stepwell_api.insight.thresholds import Thresholds
from stepwell_storage.model import Role, Status

DEPENDENT_RATE = 0.3
"""Share of dependent runs that has to be ruled out."""
DECIDES = frozenset((Role.MODEL, Role.GUARDRAIL, Role.HANDOFF))
HALF = 0.5

Pair = tuple[str, str]


@dataclass(slots=True)
class _Neighbours:
    """How often one step follows another at once, and uses what it gave."""

    runs: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Series:
    """Steps that follow one another in the same order in some runs."""

    runs: set[int] = field(default_factory=set)
    saved_ms: dict[int, float] = field(default_factory=dict)


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`parallelizable_steps`, for each series of steps that are independent of each other."""
    chosen = frame.indexes(frame.good & frame.with_steps)
    series = {i: list(_series_of(frame.facts[i])) for i in chosen}
    pairs = _pairs(frame, series)
    independent = {pair for pair, found in pairs.items() if _is_independent(found, limits)}
    groups: dict[tuple[str, ...], _Series] = defaultdict(_Series)
    for i, parts in series.items():
        for part in parts:
            for steps in _independent_parts(part, independent):
                found = groups[tuple(step.name for step in steps)]
                found.runs.add(i)
                durations = [step.duration_ms or 0.0 for step in steps]
                found.saved_ms[i] = found.saved_ms.get(i, 0.0) + sum(durations) - max(durations)
    yield from _findings(frame, limits, groups, pairs)


def _findings(
    frame: Frame,
    limits: Thresholds,
    groups: Mapping[tuple[str, ...], _Series],
    pairs: Mapping[Pair, _Neighbours],
) -> Iterator[Finding]:
    told: list[tuple[frozenset[str], set[int]]] = []
    for names in sorted(groups, key=lambda names: (-len(groups[names].runs) * (len(names) - 1), names)):
        found = groups[names]
        if len(found.runs) < limits.min_group or any(set(names) & known for known, _ in told):
            continue
        told.append((frozenset(names), found.runs))
        yield _finding(frame, limits, names, found, pairs)


def _series_of(facts: RunFacts) -> Iterator[list[StepRecord]]:
    """Longest rows of siblings, each starting once the one before ended, that no decision parts."""
    by_parent: dict[int, list[StepRecord]] = defaultdict(list)
    repeated = _repeated_names(facts)
    for call in facts.calls:
        by_parent[call.step.parent].append(call.step)
    for siblings in by_parent.values():
        row: list[StepRecord] = []
        for step in sorted(siblings, key=lambda step: (step.start_ms, step.end_ms or 0.0)):
            breaks = not _may_move(step) or step.name in repeated
            if row and (breaks or row[-1].end_ms is None or step.start_ms < row[-1].end_ms):
                yield from _rows(row)
                row = []
            if not breaks:
                row.append(step)
        yield from _rows(row)


def _rows(row: list[StepRecord]) -> Iterator[list[StepRecord]]:
    if len(row) > 1:
        yield row


def _repeated_names(facts: RunFacts) -> set[str]:
    """Steps that run several times under one parent: retries, polling and repeated calls."""
    counts = Counter((call.step.parent, call.step.name) for call in facts.calls)
    return {name for (_, name), count in counts.items() if count > 1}


def _may_move(step: StepRecord) -> bool:
    return (
        step.role not in DECIDES
        and step.step_type != "decision"
        and step.status is Status.SUCCESS
        and step.end_ms is not None
    )


def _pairs(frame: Frame, series: Mapping[int, Sequence[Sequence[StepRecord]]]) -> Mapping[Pair, _Neighbours]:
    """What is known of each two steps of a row, the earlier one first."""
    found: dict[Pair, _Neighbours] = defaultdict(_Neighbours)
    for i, parts in series.items():
        for part in parts:
            for later in range(1, len(part)):
                for earlier in range(later):
                    pair = found[part[earlier].name, part[later].name]
                    uses = _uses(frame.facts[i], part[earlier], part[later])
                    pair.runs.add(i)
                    if uses is None:
                        pair.unknown.add(i)
                    elif uses:
                        pair.used.add(i)
    return found


def _uses(facts: RunFacts, earlier: StepRecord, later: StepRecord) -> bool | None:
    """Whether the later step's input holds words that only the earlier one's output can have brought, or all of it."""
    given, taken = earlier.output, later.input
    if given is None or taken is None or given.words is None or taken.words is None:
        return None
    if given.digest == taken.digest or (given.words and given.words <= taken.words):
        return True
    shared = given.words & taken.words
    return bool(shared) and bool(shared - _known_before(facts, earlier))


def _known_before(facts: RunFacts, earlier: StepRecord) -> set[int]:
    """Words of what ran before the step, and of its own input."""
    known: set[int] = set()
    for step in facts.run.steps:
        if step is earlier or step.start_ms <= earlier.start_ms:
            if step.input is not None and step.input.words is not None:
                known |= step.input.words
            is_before = step.end_ms is not None and step.end_ms <= earlier.start_ms and step is not earlier
            if is_before and step.output is not None and step.output.words is not None:
                known |= step.output.words
    return known


def _is_independent(found: _Neighbours, limits: Thresholds) -> bool:
    known = len(found.runs) - len(found.unknown)
    return known >= limits.min_group and len(found.used) <= limits.parallel_dependence * known


def _independent_parts(row: Sequence[StepRecord], independent: set[Pair]) -> Iterator[list[StepRecord]]:
    """Longest parts of the row whose steps are all independent of each other."""
    part: list[StepRecord] = []
    for step in row:
        if part and not all((other.name, step.name) in independent for other in part):
            yield from _rows(part)
            while part and not all((other.name, step.name) in independent for other in part):
                part = part[1:]
        part = [*part, step]
    yield from _rows(part)


def _finding(
    frame: Frame, limits: Thresholds, names: tuple[str, ...], found: _Series, pairs: Mapping[Pair, _Neighbours]
) -> Finding:
    runs = frame.mask(found.runs)
    durations = frame.duration_ms[runs & np.isfinite(frame.duration_ms)]
    saved = float(np.mean(list(found.saved_ms.values())))
    share = saved / float(durations.mean()) if len(durations) and durations.mean() else 0.0
    inside = [pairs[one, other] for at, other in enumerate(names) for one in names[:at] if (one, other) in pairs]
    worst = max(_dependence(pair) for pair in inside)
    common = frame.weight_of(runs) / max(frame.weight_of(frame.good & frame.with_steps), 1e-9)
    return Finding(
        Kind.PARALLELIZABLE_STEPS,
        {"step_names": list(names)},
        worst,
        "binomial test that less than three in ten runs use one step's output in another's input",
        share >= limits.parallel_saving and common >= limits.recurrence,
        len(found.runs),
        {
            "executions": len(found.runs),
            "saved_ms_per_execution": saved,
            "saved_share": share,
            "runs_with_a_dependence": max(len(pair.used) for pair in inside),
        },
        frozenset((Toll.TIME,)),
        frame.at(runs),
        frame.newest(runs),
        Saving(frame.weight_of(runs), sum(ms * frame.weight[i] for i, ms in found.saved_ms.items())),
    )


def _dependence(pair: _Neighbours) -> float:
    return binomial_below(len(pair.used), len(pair.runs) - len(pair.unknown), DEPENDENT_RATE)
