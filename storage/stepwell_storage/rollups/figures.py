"""What one execution adds to the rollups: pure functions from a run to figures that can be added and taken away.

Everything is counted in integers, so that taking away what was added leaves exactly nothing, in any order.
`deltas` writes the figures, `compaction` sums them up; `MEASURES` are the columns of the tables, in their order.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from stepwell_storage.model import Execution, Placement, Role, Status
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
"""Measure, which is a column, → how many decimal digits of it the integers here count: 6 of milliseconds are ns."""

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

    def add(self, other: "Figures", *, sign: int = 1) -> None:
        """Adds the other sum; takes it away where `sign` is -1."""
        mine = self.amounts
        for at, amount in other.amounts.items():
            mine[at] += sign * amount
        histogram.add(self.durations, other.durations, sign=sign)
        if other.memories:
            histogram.add(self.memories, other.memories, sign=sign)
        if other.last_seen_ns is None:
            return
        if sign > 0:
            self.last_seen_ns = max(other.last_seen_ns, self.last_seen_ns or other.last_seen_ns)
        else:
            self.seen_before_ns = max(other.last_seen_ns, self.seen_before_ns or other.last_seen_ns)

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


def run_of(workspace_id: UUID, execution: Execution) -> Run:
    """The run that a fold gave."""
    return Run(
        workspace_id=workspace_id,
        agent_id=execution.agent_id,
        agent_name=execution.agent_name,
        environment=execution.environment,
        version=execution.version,
        start_ns=execution.start_ns,
        last_activity_ns=execution.last_activity_ns,
        status=execution.status,
        duration_ms=execution.duration_ms,
        path=execution.path,
        error_type=execution.error_type,
        error_step_name=execution.error_step_name,
        error_fingerprint=execution.error_fingerprint,
        prompt_tokens=execution.prompt_tokens,
        completion_tokens=execution.completion_tokens,
        cost_usd=execution.cost_usd,
        credits=execution.credits,
        api_calls=execution.api_calls,
        memory_mb=execution.memory_mb,
        steps_total=execution.steps_total,
        parts=tuple(_parts(execution).items()),
    )


def contributions(run: Run) -> Iterator[tuple[str, Item, Figures]]:
    """(agent, item, figures) of everything that the run adds: itself, its path, failure, steps and models.

    The figures are shared between the agent and `ALL_AGENTS`; whoever changes them copies first.
    """
    whole = _whole(run)
    for kind in (Kind.TOTAL, Kind.EXECUTION):
        yield run.agent_id, Item(kind, detail=run.agent_name), whole
        yield ALL_AGENTS, Item(kind), whole
    yield run.agent_id, Item(Kind.PATH, run.path), _course(run)
    ending = _ENDINGS.get(run.status)
    if ending is not None:
        failure = Item(ending, run.error_fingerprint or "", run.error_type, run.error_step_name)
        figures = _failure(run)
        yield run.agent_id, failure, figures
        yield ALL_AGENTS, failure, figures
    for item, figures in run.parts:
        yield run.agent_id, item, figures


def _whole(run: Run) -> Figures:
    figures = _course(run)
    figures.take_memory(run.memory_mb)
    figures.count("api_calls", run.api_calls)
    figures.count("steps", run.steps_total)
    figures.last_seen_ns = run.last_activity_ns
    return figures


def _course(run: Run) -> Figures:
    figures = _failure(run)
    figures.take_usage(run.prompt_tokens, run.completion_tokens, run.cost_usd)
    figures.take_credits(run.credits)
    return figures


def _failure(run: Run) -> Figures:
    figures = Figures()
    figures.take_status(run.status)
    figures.count("executions", 1)
    figures.take_duration(run.duration_ms)
    return figures


def _parts(execution: Execution) -> dict[Item, Figures]:
    """Steps by name and operation, model calls by model; reports of a call that is counted already are left out."""
    parts: dict[Item, Figures] = {}
    for placement in execution.placements:
        if placement.duplicate_of is not None:
            continue
        for item in _items_of(execution, placement):
            figures = parts.get(item)
            if figures is None:
                figures = parts[item] = Figures()
                figures.count("executions", 1)
            _take_step(figures, placement, is_success=execution.status is Status.SUCCESS)
    return parts


def _items_of(execution: Execution, placement: Placement) -> Iterable[Item]:
    step = placement.step
    kind = Kind.ROOT if step.span_id == execution.root_span_id else Kind.STEP
    yield Item(kind, step.step_name, placement.operation)
    if step.role is Role.MODEL and step.model:
        yield Item(Kind.MODEL, step.model, step.provider)


def _take_step(figures: Figures, placement: Placement, *, is_success: bool) -> None:
    step = placement.step
    figures.take_status(placement.status)
    figures.take_duration(step.duration_ms)
    if placement.counts_tokens:
        figures.take_usage(step.prompt_tokens, step.completion_tokens, step.cost_usd)
    figures.take_credits(step.credits)
    if placement.attempt > 1:
        figures.count("retries", 1)
    if placement.self_duration_ms is not None:
        figures.count("self_ms", scaled(placement.self_duration_ms, 6))
    if placement.critical_ns:
        figures.count("critical_ms", placement.critical_ns)
        if is_success:
            figures.count("critical_success_ms", placement.critical_ns)


def dump_parts(parts: Iterable[tuple[Item, Figures]]) -> list[list[Any]]:
    """The figures of steps and models as JSON for the execution's row, to take away what a fold replaces.

    ``[kind, name, detail, {measure: amount}, {bucket: count}]`` each, zeros left out.
    """
    return [
        [
            item.kind.value,
            item.name,
            item.detail,
            {MEASURES[at]: amount for at, amount in figures.amounts.items() if amount},
            {str(bucket): count for bucket, count in figures.durations.items()},
        ]
        for item, figures in parts
    ]


def load_parts(rows: Iterable[Sequence[Any]]) -> tuple[tuple[Item, Figures], ...]:
    """The reverse of `dump_parts`."""
    return tuple((Item(Kind(kind), name, detail), _figures(*rest)) for kind, name, detail, *rest in rows)


def _figures(amounts: Mapping[str, int], durations: Mapping[str, int]) -> Figures:
    figures = Figures(durations={int(bucket): count for bucket, count in durations.items()})
    for name, amount in amounts.items():
        figures.amounts[_AT[name]] = amount
    return figures
