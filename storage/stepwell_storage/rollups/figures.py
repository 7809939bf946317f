"""What one execution adds to the rollups: pure functions from a run to figures that can be added and taken away.

Everything is counted in integers, so that taking away what was added leaves exactly nothing, in any order.
`deltas` writes the figures, `compaction` sums them up; `MEASURES` are the columns of the tables, in their order.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from stepwell_storage.model import Status
from stepwell_storage.rollups import histogram

NS_PER_HOUR: Final = 3_600_000_000_000
ALL_AGENTS: Final = ""
"""Stands for an agent's id in the figures of the whole workspace."""


class Kind(StrEnum):
    """What a row of the rollups is about; `Item` says which."""

    TOTAL = "total"
    """Runs of all environments and versions together, which is what most questions are about."""
    EXECUTION = "execution"
    PATH = "path"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    STEP = "step"
    ROOT = "root"
    MODEL = "model"


class Item(NamedTuple):
    """Which path, failure, step or model; runs as a whole have the empty one."""

    kind: Kind
    name: str = ""
    """The path, the step's name, the model, the fingerprint of a failure or timeout."""
    detail: str | None = None
    """A step's operation, a model's provider, the error type of a failure or timeout; the agent's name of a run."""
    step_name: str | None = None
    """The step that a failure or timeout began at."""


SCALES: Final[Mapping[str, int]] = {
    **{status.value: 0 for status in Status},
    "executions": 0,
    "retries": 0,
    "duration_count": 0,
    "duration_ms": 6,
    "duration_square_ms2": 12,
    "self_ms": 6,
    "critical_ms": 6,
    "critical_success_ms": 6,
    "prompt_tokens": 0,
    "prompt_known": 0,
    "completion_tokens": 0,
    "completion_known": 0,
    "cost_usd": 12,
    "cost_known": 0,
    "credits": 9,
    "credits_known": 0,
    "api_calls": 0,
    "memory_mb": 6,
    "memory_known": 0,
    "steps": 0,
}
"""Measure, which is a column, → how many decimal digits of it the integers here count: 6 of milliseconds are ns.

Rows of executions tell measures by their index here (`parts`): new ones come last.
"""

MEASURES: Final = tuple(SCALES)
_UNITS: Final = tuple(int(10**digits) for digits in range(13))
_AT: Final = {name: at for at, name in enumerate(MEASURES)}
_DURATION: Final = _AT["duration_count"]
_PROMPT: Final = _AT["prompt_tokens"]
_COMPLETION: Final = _AT["completion_tokens"]
_COST: Final = _AT["cost_usd"]
_CREDITS: Final = _AT["credits"]
_MEMORY: Final = _AT["memory_mb"]
_ENDINGS: Final = {Status.FAILED: Kind.FAILURE, Status.TIMEOUT: Kind.TIMEOUT}
_STATUS: Final = {status: _AT[status.value] for status in Status}


@dataclass(slots=True)
class Figures:
    """One sum: an amount for each of `MEASURES`, and the histograms of durations (ms) and memory (MB)."""

    amounts: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """By index in `MEASURES`; most items tell few of them, so that the others are left out."""
    durations: dict[int, int] = field(default_factory=dict)
    memories: dict[int, int] = field(default_factory=dict)
    last_seen_ns: int | None = None
    """The last sign of life of what was added; what is taken away has been seen all the same."""
    seen_before_ns: int | None = None
    """The same of what was taken away."""

    def copy(self) -> "Figures":
        """The same sum, to add to."""
        amounts, durations, memories = self.amounts.copy(), self.durations.copy(), self.memories.copy()
        return Figures(amounts, durations, memories, self.last_seen_ns, self.seen_before_ns)

    def add(self, other: "Figures", *, sign: int = 1) -> None:
        """Adds the other sum; takes it away where `sign` is -1."""
        mine = self.amounts
        for at, amount in other.amounts.items():
            mine[at] += sign * amount
        if other.durations:
            histogram.add(self.durations, other.durations, sign=sign)
        if other.memories:
            histogram.add(self.memories, other.memories, sign=sign)
        if other.last_seen_ns is None:
            return
        if sign > 0:
            self.last_seen_ns = max(other.last_seen_ns, self.last_seen_ns or other.last_seen_ns)
        else:
            self.seen_before_ns = max(other.last_seen_ns, self.seen_before_ns or other.last_seen_ns)

    def take_in(self, other: "Figures") -> None:
        """Adds another sum of what was added and taken away."""
        self.add(other)
        if other.seen_before_ns is not None:
            self.seen_before_ns = max(other.seen_before_ns, self.seen_before_ns or other.seen_before_ns)

    def values(self) -> list[int]:
        """The amount of each of `MEASURES`."""
        return [self.amounts.get(at, 0) for at in range(len(MEASURES))]

    def is_nothing(self) -> bool:
        """Whether it adds nothing and tells nothing new."""
        if any(self.amounts.values()) or any(self.durations.values()) or any(self.memories.values()):
            return False
        return self.last_seen_ns is None or self.last_seen_ns == self.seen_before_ns

    def take_status(self, status: Status) -> None:
        """Counts one run or call of that status."""
        self.amounts[_STATUS[status]] += 1

    def take_duration(self, duration_ms: float | None) -> None:
        """Counts a known duration."""
        if duration_ms is None:
            return
        duration_ns = scaled(duration_ms, 6)
        self.amounts[_DURATION] += 1
        self.amounts[_DURATION + 1] += duration_ns
        self.amounts[_DURATION + 2] += duration_ns * duration_ns
        bucket = histogram.bucket_of(duration_ms)
        self.durations[bucket] = self.durations.get(bucket, 0) + 1

    def take_usage(self, prompt_tokens: int | None, completion_tokens: int | None, cost_usd: float | None) -> None:
        """Counts tokens and cost that are known."""
        self._take(_PROMPT, prompt_tokens)
        self._take(_COMPLETION, completion_tokens)
        self._take(_COST, None if cost_usd is None else scaled(cost_usd, SCALES["cost_usd"]))

    def take_credits(self, credits_: float | None) -> None:
        """Counts credits that are known."""
        self._take(_CREDITS, None if credits_ is None else scaled(credits_, SCALES["credits"]))

    def take_memory(self, memory_mb: float | None) -> None:
        """Counts memory that is known."""
        if memory_mb is not None:
            self._take(_MEMORY, scaled(memory_mb, SCALES["memory_mb"]))
            bucket = histogram.bucket_of(memory_mb)
            self.memories[bucket] = self.memories.get(bucket, 0) + 1

    def count(self, measure: str, amount: int) -> None:
        """Adds an amount, in the measure's integers."""
        self.amounts[_AT[measure]] += amount

    def _take(self, at: int, amount: int | None) -> None:
        if amount is not None:
            self.amounts[at] += amount
            self.amounts[at + 1] += 1


def scaled(value: float, digits: int) -> int:
    """The value in units of its `digits`-th decimal place, rounded: the same integer whenever it is asked for."""
    return round(value * _UNITS[digits])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the rollups need of an execution: columns of its row, and the figures of its steps and models."""

    workspace_id: UUID
    agent_id: str
    agent_name: str | None
    environment: str | None
    version: str | None
    start_ns: int
    last_activity_ns: int
    status: Status
    duration_ms: float | None
    path: str
    error_type: str | None
    error_step_name: str | None
    error_fingerprint: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    credits: float | None
    api_calls: int
    memory_mb: float | None
    steps_total: int
    parts: Sequence[tuple[Item, Figures]]
    """Steps by name and models, as they were counted when the row was written."""


def contributions(run: Run) -> Iterator[tuple[Item, Figures]]:
    """(item, figures) of everything that the run adds to its agent, in its environment and version: itself, its path,
    failure, steps and models. What else it adds to, `wider` tells.

    Whoever changes the figures copies first.
    """
    ending = _ENDINGS.get(run.status)
    if ending is not None:
        yield Item(ending, run.error_fingerprint or "", run.error_type, run.error_step_name), _ended(run)
    course = _ended(run)
    course.take_usage(run.prompt_tokens, run.completion_tokens, run.cost_usd)
    course.take_credits(run.credits)
    yield Item(Kind.PATH, run.path), course
    yield Item(Kind.EXECUTION, detail=run.agent_name), _whole(run, course)
    yield from run.parts


def wider(agent_id: str, item: Item) -> Sequence[tuple[str, Item]]:
    """(agent, item) of the wider sums that take in one of an agent: those of all agents, and of all places."""
    if item.kind is Kind.EXECUTION:
        total, totals = Item(Kind.TOTAL, detail=item.detail), Item(Kind.TOTAL)
        return (ALL_AGENTS, Item(Kind.EXECUTION)), (agent_id, total), (ALL_AGENTS, totals)
    if item.kind is Kind.FAILURE or item.kind is Kind.TIMEOUT:
        return ((ALL_AGENTS, item),)
    return ()


def _whole(run: Run, course: Figures) -> Figures:
    figures = Figures(course.amounts.copy(), course.durations)
    figures.take_memory(run.memory_mb)
    figures.count("api_calls", run.api_calls)
    figures.count("steps", run.steps_total)
    figures.last_seen_ns = run.last_activity_ns
    return figures


def _ended(run: Run) -> Figures:
    figures = Figures()
    figures.take_status(run.status)
    figures.count("executions", 1)
    figures.take_duration(run.duration_ms)
    return figures
