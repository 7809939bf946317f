"""The sample as detectors read it: runs in order of time, arrays of what is compared, and each run's calls.

What is computed of a run is computed once and shared by every part of the frame, so that a claim can be tested again
without the runs that another cause explains.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stepwell_api.insight.critical import critical_times_ms
from stepwell_api.insight.sample import RunRecord, Sample, StepRecord
from stepwell_api.insight.significance import Integers, Numbers
from stepwell_storage.model import Status

Mask = NDArray[np.bool_]
BAD = (Status.FAILED, Status.TIMEOUT)
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Call:
    """A step below the run's root, and what the other steps make of it."""

    index: int
    step: StepRecord
    is_leaf: bool
    """Whether no other step runs within it."""
    failed: bool
    """Whether it failed, or timed out, on its own: nothing within it did."""


@dataclass(slots=True)
class RunFacts:
    """One run with what is computed of its steps, at the first need."""

    run: RunRecord
    _calls: Sequence[Call] | None = None
    _critical_ms: dict[str, float] | None = None

    @property
    def calls(self) -> Sequence[Call]:
        """All steps but the root and second reports of a call, in order."""
        if self._calls is None:
            self._calls = _calls_of(self.run.steps)
        return self._calls

    @property
    def critical_ms(self) -> dict[str, float]:
        """Step name → its own milliseconds on the run's critical path; the root's own under the empty name."""
        if self._critical_ms is None:
            self._critical_ms = critical_times_ms(self.run.steps)
        return self._critical_ms


@dataclass(frozen=True)
class Frame:
    """An agent's runs of a window, or a part of them."""

    sample: Sample
    facts: Sequence[RunFacts]
    places: Sequence[int]
    """Index of each run in the whole frame."""

    @classmethod
    def of(cls, sample: Sample) -> "Frame":
        """The frame of all runs; their order in the sample does not matter."""
        runs = sorted(sample.runs, key=lambda run: (run.start, run.execution_id))
        return cls(sample, [RunFacts(run) for run in runs], range(len(runs)))

    def without(self, places: frozenset[int]) -> "Frame":
        """The frame without the runs at these places of the whole frame."""
        kept = [i for i, place in enumerate(self.places) if place not in places]
        return replace(self, facts=[self.facts[i] for i in kept], places=[self.places[i] for i in kept])

    @cached_property
    def runs(self) -> Sequence[RunRecord]:
        """The runs in order of their start."""
        return [facts.run for facts in self.facts]

    @cached_property
    def start_s(self) -> Numbers:
        """Seconds since 1970 UTC."""
        return np.array([run.start.timestamp() for run in self.runs], dtype=np.float64)

    @cached_property
    def bad(self) -> Mask:
        """Runs that failed or timed out."""
        return np.array([run.status in BAD for run in self.runs], dtype=np.bool_)

    @cached_property
    def good(self) -> Mask:
        """Runs that succeeded."""
        return np.array([run.status == Status.SUCCESS for run in self.runs], dtype=np.bool_)

    @cached_property
    def ended(self) -> Mask:
        """Runs with an outcome; cancelled ones tell nothing of failure."""
        return np.asarray(self.bad | self.good)

    @cached_property
    def weight(self) -> Numbers:
        """How many runs of the window each stands for."""
        return np.array([run.weight for run in self.runs], dtype=np.float64)

    @cached_property
    def duration_ms(self) -> Numbers:
        """NaN where it is unknown."""
        return np.array([np.nan if run.duration_ms is None else run.duration_ms for run in self.runs], dtype=np.float64)

    @cached_property
    def tokens(self) -> Numbers:
        """NaN where they are unknown."""
        return np.array([np.nan if run.tokens is None else run.tokens for run in self.runs], dtype=np.float64)

    @cached_property
    def cost_usd(self) -> Numbers:
        """NaN where it is unknown."""
        return np.array([np.nan if run.cost_usd is None else run.cost_usd for run in self.runs], dtype=np.float64)

    @cached_property
    def hour(self) -> Integers:
        """Hour of the day in UTC."""
        return np.asarray(self.start_s // 3600 % 24, dtype=np.int64)

    @cached_property
    def day(self) -> Integers:
        """Days since 1970 UTC, which was a Thursday."""
        return np.asarray(self.start_s // 86_400, dtype=np.int64)

    def rate(self, group: Mask) -> float:
        """Failure rate of the ended runs of the group, by weight; 0 where there are none."""
        inside = group & self.ended
        weight = float(self.weight[inside].sum())
        return float(self.weight[inside & self.bad].sum()) / weight if weight else 0.0

    def counts(self, group: Mask) -> tuple[int, int]:
        """(bad, ended) sampled runs of the group."""
        return int((group & self.bad).sum()), int((group & self.ended).sum())

    def weight_of(self, group: Mask) -> float:
        """How many runs of the window the group stands for."""
        return float(self.weight[group].sum())

    def indexes(self, group: Mask) -> list[int]:
        """The group's indexes in this frame."""
        return [int(i) for i in np.flatnonzero(group)]

    def at(self, group: Mask) -> frozenset[int]:
        """The group as places of the whole frame."""
        return frozenset(self.places[i] for i in self.indexes(group))

    def part(self, known: Mask, part: Mask) -> Mask:
        """A part of the known runs, told by one value for each of them, as a part of all."""
        found = np.zeros(len(self.runs), dtype=np.bool_)
        found[np.flatnonzero(known)[part]] = True
        return found

    def scale(self, group: Mask) -> float:
        """Mean weight of the group; 1 where it is empty."""
        return float(self.weight[group].mean()) if group.any() else 1.0

    def newest(self, group: Mask) -> list[int]:
        """Places of the newest runs of the group."""
        return [self.places[i] for i in self.indexes(group)[::-1][:EXAMPLES]]

    def mask(self, chosen: set[int]) -> Mask:
        """The runs with these indexes in this frame."""
        found = np.zeros(len(self.runs), dtype=np.bool_)
        found[sorted(chosen)] = True
        return found

    @cached_property
    def with_steps(self) -> Mask:
        """Runs whose steps were read."""
        return np.array([bool(run.steps) for run in self.runs], dtype=np.bool_)


def _calls_of(steps: Sequence[StepRecord]) -> Sequence[Call]:
    has_child = [False] * len(steps)
    has_bad_child = [False] * len(steps)
    for step in steps:
        if 0 <= step.parent < len(steps) and not step.is_duplicate:
            has_child[step.parent] = True
            has_bad_child[step.parent] |= step.status in BAD
    root = root_of(steps)
    return [
        Call(i, step, not has_child[i], step.status in BAD and not has_bad_child[i])
        for i, step in enumerate(steps)
        if i != root and not step.is_duplicate
    ]


def root_of(steps: Sequence[StepRecord]) -> int:
    """Index of the run's root; -1 for a fragment without one: several steps without a parent."""
    tops = [i for i, step in enumerate(steps) if step.parent < 0]
    return tops[0] if len(tops) == 1 and len(steps) > 1 else -1
