"""What happened to runs between two looks at them: pure functions from rows to events."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from stepwell_storage.model import Status

OPEN: Final = frozenset({Status.PENDING.value, Status.RUNNING.value})
REMEMBERED: Final = 50_000
"""Runs, and states of steps, that are remembered as told; far more than are ever under way at once."""
STEPS_A_LOOK: Final = 100
"""Steps of one run that are told one by one; where more came at once, the run's own event stands for them."""

Row = Mapping[str, Any]


class EventType(StrEnum):
    """The types of events, as the stream names them."""

    EXECUTION_STARTED = "execution.started"
    STEP_STARTED = "step.started"
    STEP_COMPLETED = "step.completed"
    EXECUTION_UPDATED = "execution.updated"
    EXECUTION_COMPLETED = "execution.completed"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a run."""

    type: EventType
    agent_id: str
    status: str
    """Of the run."""
    data: Mapping[str, Any]


@dataclass(slots=True)
class Memory:
    """What was told already, of one workspace; the oldest is forgotten first."""

    runs: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    """Execution → what its last event told."""
    steps: OrderedDict[tuple[str, bytes, bool], None] = field(default_factory=OrderedDict)
    """Execution, span, whether it has ended."""

    def changed(self, execution_id: str, told: Any) -> tuple[bool, Any]:
        """Notes what is told of a run now; whether that is new, and what was told before."""
        before = self.runs.pop(execution_id, None)
        self.runs[execution_id] = told
        if len(self.runs) > REMEMBERED:
            self.runs.popitem(last=False)
        return before != told, before

    def is_new(self, execution_id: str, span_id: bytes, *, has_ended: bool) -> bool:
        """Notes the state of a step; whether it was not told before."""
        key = (execution_id, span_id, has_ended)
        if key in self.steps or (not has_ended and (execution_id, span_id, True) in self.steps):
            return False
        self.steps[key] = None
        if len(self.steps) > REMEMBERED:
            self.steps.popitem(last=False)
        return True


def events_of(memory: Memory, run: Row, steps: Sequence[Row]) -> Iterator[Event]:
    """What happened to a run since it was last told: its start, its steps, its end or another change.

    `run` is a row of ``read_changed``; `steps` are rows of ``read_new_steps`` of its trace, in the order in which they
    came. A run that is first seen when it has ended started and completed.
    """
    described = describe(run)
    execution_id, status = run["execution_id"], run["status"]
    is_changed, before = memory.changed(execution_id, described)

    def event(kind: EventType, data: Row) -> Event:
        return Event(kind, run["agent_id"], status, data)

    if before is None:
        yield event(EventType.EXECUTION_STARTED, described)
    mine = set(run["step_span_ids"])
    new = [
        step
        for step in steps
        if step["span_id"] in mine and memory.is_new(execution_id, step["span_id"], has_ended=not step["is_live"])
    ]
    if len(new) <= STEPS_A_LOOK:
        for step in new:
            kind = EventType.STEP_STARTED if step["is_live"] else EventType.STEP_COMPLETED
            yield event(kind, {**_named(run), "step": describe_step(step)})
    if status not in OPEN:
        if before is None or before["status"] in OPEN:
            yield event(EventType.EXECUTION_COMPLETED, described)
        elif is_changed:
            yield event(EventType.EXECUTION_UPDATED, described)
    elif is_changed and before is not None:
        yield event(EventType.EXECUTION_UPDATED, described)


def describe(run: Row) -> dict[str, Any]:
    """A run as events tell it."""
    return {
        **_named(run),
        **{
            name: run[name]
            for name in (
                "agent_name", "status", "environment", "version", "start_time", "end_time", "duration_ms",
                "last_activity_at", "steps_total", "steps_completed", "prompt_tokens", "completion_tokens", "cost_usd",
                "error_type", "error_message",
            )
        },
    }  # fmt: skip


def describe_step(step: Row) -> dict[str, Any]:
    """A step as events tell it."""
    return {
        "span_id": step["span_id"].hex(),
        **{name: step[name] for name in ("step_name", "step_type", "operation", "start_time")},
        "status": Status.RUNNING.value if step["is_live"] else step["status"],
        "end_time": None if step["is_live"] else step["end_time"],
        "duration_ms": None if step["is_live"] else step["duration_ms"],
        "error_type": step["error_type"],
    }


def _named(run: Row) -> dict[str, Any]:
    return {name: run[name] for name in ("execution_id", "trace_id", "agent_id")}
