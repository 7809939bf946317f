"""Calls that bring nothing new: `stuck_loop` and `duplicate_calls`.

Polling is neither: the same input that gives a new output is how one waits. Repetitions after a failure are retries.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Call, Frame
from stepwell_api.insight.significance import Integers, binomial_above, median
from stepwell_api.insight.thresholds import Thresholds
from stepwell_storage.model import Role, Status

POLLING_SHARE = 0.2
"""Share of repeated inputs that give another output from which on a step is one that is polled."""
NEW_INPUTS = 0.5
"""Share of a run's calls with an input of their own from which on they make progress."""
DECIDING = frozenset((Role.MODEL, Role.CHAIN, Role.AGENT, Role.WORKFLOW))
"""Steps that call others rather than being called in vain."""
MIN_STUCK = 5
"""Stuck runs below which it may be chance."""


@dataclass(slots=True)
class _Groups:
    """How one step is called again with the same input."""

    repeated: int = 0
    polled: int = 0
    wasted: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Run → (milliseconds, USD) of calls whose input and output were there before."""


@dataclass(slots=True)
class _Loop:
    """The runs that are stuck at one step."""

    name: str
    usual: float
    """Calls that nine of ten successful runs get by with."""
    runs: set[int] = field(default_factory=set)
    calls: list[int] = field(default_factory=list)
    is_model: bool = False
    told: int = 0
    distinct: int = 0

    @property
    def newness(self) -> float:
        """Share of the calls with an input of their own; 2 where inputs are not recorded."""
        return self.distinct / self.told if self.told else 2.0

    def look_at(self, run: int, calls: Sequence[Call], *, succeeded: bool) -> None:
        """Adds the run if its calls make no progress: their inputs repeat, as far as they are recorded.

        In a run that succeeded, new outputs are progress as well: it polled for something.
        """
        first = [call.step for call in calls if call.step.attempt == 1]
        inputs = [step.input.digest for step in first if step.input is not None]
        outputs = [step.output.digest for step in first if step.output is not None]
        progress = [inputs, outputs] if succeeded else [inputs]
        if any(2 * len(told) >= len(calls) and len(set(told)) > NEW_INPUTS * len(told) for told in progress):
            return
        self.runs.add(run)
        self.calls.append(len(calls))
        self.is_model |= all(call.step.role in DECIDING for call in calls)
        self.told += len(inputs)
        self.distinct += len(set(inputs))


def find_stuck(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`stuck_loop`: one finding for each loop, however many steps go round in it."""
    counts = _counts(frame)
    good = frame.indexes(frame.good & frame.with_steps)
    found: list[_Loop] = []
    for name in sorted(counts):
        called = counts[name]
        needed = np.array([called.get(i, 0) for i in good], dtype=np.int64)
        usual = float(np.quantile(needed, 0.75 if _is_mixed(needed, limits) else 0.9)) if len(needed) else 1.0
        least = max(limits.stuck_factor * max(usual, 1.0), usual + limits.stuck_calls)
        loop = _Loop(name, usual)
        for i in (i for i, n in called.items() if n >= least):
            calls = [call for call in frame.facts[i].calls if call.step.name == name]
            loop.look_at(i, calls, succeeded=bool(frame.good[i]))
        if loop.runs:
            found.append(loop)
    for loop in _one_of_each(found):
        yield _stuck(frame, limits, loop)


def find_duplicates(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`duplicate_calls`, for each step that is called again with the same input."""
    groups = _same_inputs(frame)
    told: dict[str, frozenset[int]] = {}
    for name in sorted(groups, key=lambda name: (_depth(frame, name, groups[name]), name)):
        found = groups[name]
        runs = frame.mask(set(found.wasted))
        polls = found.polled > POLLING_SHARE * found.repeated
        places = frame.at(runs)
        is_within = any(len(places & other) >= 0.9 * len(places) and places for other in told.values())
        nests = is_within and _is_nested(frame, name, [n for n in told if len(places & told[n]) >= 0.9 * len(places)])
        if not nests:
            told[name] = places
        yield _duplicates(frame, limits, name, found, is_waste=not polls and not nests)


def _counts(frame: Frame) -> Mapping[str, Mapping[int, int]]:
    """Step → run → calls that do not repeat a failed one."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for i, facts in enumerate(frame.facts):
        for call in facts.calls:
            if call.step.attempt == 1:
                found[call.step.name][i] = found[call.step.name].get(i, 0) + 1
    return found


def _is_mixed(needed: Integers, limits: Thresholds) -> bool:
    """Whether the slowest tenth of the successful runs is stuck itself, and made it in the end."""
    upper, lower = np.quantile(needed, (0.9, 0.75))
    return bool(upper >= max(limits.stuck_factor * max(lower, 1.0), lower + limits.stuck_calls))


def _one_of_each(loops: Sequence[_Loop]) -> list[_Loop]:
    """The step that a loop is about: one whose repeated inputs are known, a tool before the model that calls it."""
    kept: list[_Loop] = []
    for loop in sorted(loops, key=lambda loop: (loop.is_model, loop.newness, loop.name)):
        if not any(2 * len(loop.runs & other.runs) >= min(len(loop.runs), len(other.runs)) for other in kept):
            kept.append(loop)
    return kept


def _stuck(frame: Frame, limits: Thresholds, loop: _Loop) -> Finding:
    runs = frame.mask(loop.runs)
    looked_at = frame.with_steps & (frame.ended | runs)
    share = frame.weight_of(runs) / frame.weight_of(looked_at)
    bad, ended = frame.counts(runs)
    typical = median(frame.duration_ms[frame.good & np.isfinite(frame.duration_ms)])
    excess = np.maximum(np.nan_to_num(frame.duration_ms - typical), 0.0)
    return Finding(
        Kind.STUCK_LOOP,
        {"step_name": loop.name},
        binomial_above(len(loop.runs), int(looked_at.sum()), limits.background_rate),
        "binomial test that more runs than a background rate repeat the step far beyond what successful runs need",
        share >= limits.stuck_share and len(loop.runs) >= MIN_STUCK,
        int(looked_at.sum()),
        {
            "stuck_executions": len(loop.runs),
            "share_of_executions": share,
            "calls_of_successful_executions": loop.usual,
            "median_calls_when_stuck": float(np.median(loop.calls)),
            "failed_of_stuck": bad / ended if ended else None,
            "new_inputs": loop.newness if loop.newness <= 1 else None,
        },
        frozenset((Toll.TIME, Toll.FAILURES, Toll.TOKENS)),
        frame.at(runs),
        frame.newest(runs),
        Saving(
            frame.weight_of(runs),
            float((excess * frame.weight)[runs].sum()),
            0.0,
            frame.weight_of(runs & frame.bad),
        ),
    )


def _same_inputs(frame: Frame) -> Mapping[str, _Groups]:
    found: dict[str, _Groups] = defaultdict(_Groups)
    for i, facts in enumerate(frame.facts):
        by_input: dict[tuple[str, int], list[Call]] = defaultdict(list)
        for call in facts.calls:
            if call.step.input is not None and call.step.output is not None and call.step.status is Status.SUCCESS:
                by_input[call.step.name, call.step.input.digest].append(call)
        for (name, _), calls in by_input.items():
            if len(calls) > 1:
                _add(found[name], i, calls)
    return found


def _add(groups: _Groups, run: int, calls: Sequence[Call]) -> None:
    outputs = {call.step.output.digest for call in calls if call.step.output}
    groups.repeated += 1
    if len(outputs) > 1:
        groups.polled += 1
        return
    ms, usd = groups.wasted.get(run, (0.0, 0.0))
    again = [call.step for call in calls[1:]]
    groups.wasted[run] = (
        ms + sum(step.duration_ms or 0.0 for step in again),
        usd + sum(step.cost_usd or 0.0 for step in again),
    )


def _depth(frame: Frame, name: str, groups: _Groups) -> int:
    """How deep the step lies in the first run that calls it for nothing."""
    first = min(groups.wasted, default=None)
    if first is None:
        return 0
    steps = frame.runs[first].steps
    at = next((call.index for call in frame.facts[first].calls if call.step.name == name), -1)
    return len(_ancestors(frame, first, at)) if steps else 0


def _is_nested(frame: Frame, name: str, others: Sequence[str]) -> bool:
    """Whether the step runs within one of the others, whose repetition repeats it too."""
    for i, facts in enumerate(frame.facts):
        for call in facts.calls:
            if call.step.name == name:
                return bool({frame.runs[i].steps[at].name for at in _ancestors(frame, i, call.index)} & set(others))
    return False


def _ancestors(frame: Frame, run: int, index: int) -> list[int]:
    steps = frame.runs[run].steps
    found: list[int] = []
    while index >= 0 and (index := steps[index].parent) >= 0 and len(found) < len(steps):
        found.append(index)
    return found


def _duplicates(frame: Frame, limits: Thresholds, name: str, groups: _Groups, *, is_waste: bool) -> Finding:
    runs = frame.mask(set(groups.wasted))
    share = frame.weight_of(runs) / frame.weight_of(frame.with_steps)
    size = int(frame.with_steps.sum())
    return Finding(
        Kind.DUPLICATE_CALLS,
        {"step_name": name},
        binomial_above(len(groups.wasted), size, limits.background_rate),
        "binomial test that more runs than a background rate call the step again with equal input and output",
        is_waste and share >= limits.recurrence and len(groups.wasted) >= MIN_STUCK,
        size,
        {"executions_with_duplicates": len(groups.wasted), "share_of_executions": share, "polled": groups.polled},
        frozenset((Toll.TIME, Toll.TOKENS)),
        frame.at(runs),
        frame.newest(runs),
        Saving(
            frame.weight_of(runs),
            sum(ms * frame.weight[i] for i, (ms, _) in groups.wasted.items()),
            sum(usd * frame.weight[i] for i, (_, usd) in groups.wasted.items()),
        ),
    )
